use std::collections::BTreeSet;

use super::Rule::*;
use super::*;
use crate::pain001::{Order, write};
use crate::{Address, Payee, Payment};
use corpus::random::SplitMix64;

const ACCOUNTS: [(&str, &str); 4] = [
    ("FR1420041010050500013M02606", "FR"),
    ("BE68539007547034", "BE"),
    ("NO9386011117947", "NO"),
    ("KW81CBKU0000000000001234560101", "KW"),
];

fn order(currency: &str, exponent: u8) -> Order {
    Order {
        message_id: "RUN-7-1".to_owned(),
        payment_information_id: "RUN-7-1-P".to_owned(),
        created_unix_s: 1_767_225_600,
        execution_date: "2026-01-02".to_owned(),
        debtor_name: "Assay Operator".to_owned(),
        debtor_iban: "DE89370400440532013000".to_owned(),
        debtor_bic: Some("COBADEFFXXX".to_owned()),
        currency: currency.to_owned(),
        exponent,
        batch_booking: false,
        remittance: "Reward of run 7".to_owned(),
    }
}

fn address() -> Address {
    Address { street: Some("Rue de la Loi 1".to_owned()), postcode: Some("1000".to_owned()), town: "Brussel".to_owned() }
}

fn payments(count: usize, accounts: usize) -> Vec<Payment> {
    let payment = |i: usize| {
        let (iban, country) = ACCOUNTS[i % accounts];
        let bic = i.is_multiple_of(2).then(|| "BNPAFRPP".to_owned());
        let payee = Payee::Bank {
            name: format!("Payee {i}"),
            iban: iban.to_owned(),
            bic,
            country: country.to_owned(),
            address: (i % 2 == 1).then(address),
        };
        Payment { reference: format!("pay-{i}"), amount_minor: 1050 + i as i128, payee }
    };
    (0..count).map(payment).collect()
}

fn expectation<'a>(order: &'a Order, payments: &'a [Payment]) -> Expectation<'a> {
    let transfer = |p: &'a Payment| {
        let Payee::Bank { name, iban, .. } = &p.payee else { unreachable!() };
        ExpectedTransfer { reference: &p.reference, amount_minor: p.amount_minor, iban, name }
    };
    Expectation {
        message_id: Some(&order.message_id),
        debtor_iban: &order.debtor_iban,
        currency: &order.currency,
        exponent: order.exponent,
        transfers: payments.iter().map(transfer).collect(),
    }
}

fn written(order: &Order, payments: &[Payment]) -> String {
    let mut out = Vec::new();
    write(&mut out, order, payments).unwrap();
    String::from_utf8(out).unwrap()
}

fn rules(report: &Report) -> BTreeSet<Rule> {
    report.faults.iter().map(|f| f.rule).collect()
}

#[test]
fn good_files_have_no_fault_and_read_the_same_twice() {
    for (currency, exponent) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)] {
        for (count, accounts) in [(1, 1), (3, 3), (40, 4), (1, 4)] {
            for bic in [true, false] {
                let mut order = order(currency, exponent);
                order.debtor_bic = order.debtor_bic.filter(|_| bic);
                let payments = payments(count, accounts);
                let text = written(&order, &payments);
                let first = check(text.as_bytes(), &expectation(&order, &payments));
                assert_eq!(first.faults, [], "{text}");
                assert!(first.is_clean() && first.transfer_count == count as u64);
                assert_eq!(check(text.as_bytes(), &expectation(&order, &payments)), first);
                assert_eq!(written(&order, &payments), text, "the same input gives the same bytes");
            }
        }
    }
}

/// Edits of a good file of three transfers, and exactly the rules that they break.
#[rustfmt::skip]
const SEEDS: &[(&str, &str, &[Rule])] = &[
    ("</CstmrCdtTrfInitn>", "", &[WellFormed]),
    ("</PmtInf>\n</CstmrCdtTrfInitn>\n</Document>\n", "", &[WellFormed]),
    ("Payee 1", "Payee & 1", &[WellFormed]),
    ("<CstmrCdtTrfInitn>", "<!DOCTYPE x><CstmrCdtTrfInitn>", &[WellFormed]),
    ("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"", &[WellFormed]),
    ("pain.001.001.09", "pain.001.001.03", &[Namespace]),
    ("<Document ", "<Documents ", &[Namespace]),
    ("<BtchBookg>", "<BtchBookg xmlns=\"x\">", &[Namespace, Attribute]),
    ("</Document>\n", "</Document><Document/>\n", &[SecondDocument]),
    ("<RmtInf>", "<Purp><Cd>SALA</Cd></Purp><RmtInf>", &[UnknownElement]),
    ("<PmtMtd>TRF</PmtMtd><BtchBookg>false</BtchBookg>", "<BtchBookg>false</BtchBookg><PmtMtd>TRF</PmtMtd>", &[ElementOrder]),
    ("<TwnNm>Brussel</TwnNm>", "", &[MissingElement]),
    ("<Ctry>BE</Ctry>", "", &[MissingElement]),
    ("<TwnNm>Brussel</TwnNm><Ctry>BE</Ctry>", "<AdrLine>1000 Brussel</AdrLine>", &[UnknownElement, MissingElement]),
    ("<PstCd>1000</PstCd><TwnNm>Brussel</TwnNm>", "<TwnNm>Brussel</TwnNm><PstCd>1000</PstCd>", &[ElementOrder]),
    ("<PstCd>1000<", "<PstCd>1000-1000-1000-1000<", &[TextLength]),
    ("Brussel", "Brüssel", &[TextCharacters]),
    ("<FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId>", "<FinInstnId></FinInstnId>", &[MissingElement]),
    ("<CtrlSum>31.53</CtrlSum><InitgPty>", "<InitgPty>", &[MissingElement]),
    ("<PmtMtd>TRF</PmtMtd>", "<PmtMtd>TRF</PmtMtd><PmtMtd>TRF</PmtMtd>", &[RepeatedElement]),
    ("<BICFI>COBADEFFXXX</BICFI>", "<BICFI>COBADEFFXXX</BICFI><Othr><Id>NOTPROVIDED</Id></Othr>", &[RepeatedElement]),
    ("<Document ", "<Document version=\"1\" ", &[Attribute]),
    ("001.09\">", "001.09\" version=1>", &[WellFormed]),
    (" Ccy=\"EUR\"", " Ccy=\"EUR\" Ccy=\"EUR\"", &[WellFormed]),
    ("<Ustrd>", "<Ustrd lang=\"en\">", &[Attribute]),
    (" Ccy=\"EUR\"", "", &[Attribute, Currency]),
    ("<Cdtr>", "<Cdtr>x", &[MixedContent]),
    ("RUN-7-1<", "RUN-7-1-and-so-on-until-it-is-too-long<", &[IdentifierLength, MessageId]),
    ("RUN-7-1-P", "", &[IdentifierLength]),
    ("RUN-7-1-P", "RUN-7-1-P-and-so-on-until-it-is-too-long", &[IdentifierLength]),
    ("RUN-7-1-P", "RUN_7", &[IdentifierCharacters]),
    ("RUN-7-1-P", "/RUN", &[IdentifierCharacters]),
    ("RUN-7-1<", "RUN-7-2<", &[MessageId]),
    ("pay-1<", "pay-1-and-so-on-until-it-is-far-too-long<", &[IdentifierLength, ExtraTransfer, MissingTransfer]),
    ("pay-1<", "pay/1<", &[IdentifierCharacters, ExtraTransfer, MissingTransfer]),
    ("pay-1<", "pay-0<", &[DuplicateEndToEndId, MissingTransfer, Rule::Amount, CreditorIban, CreditorName]),
    ("<NbOfTxs>3</NbOfTxs><CtrlSum>31.53</CtrlSum><InitgPty>", "<NbOfTxs>4</NbOfTxs><CtrlSum>31.53</CtrlSum><InitgPty>", &[GroupCount]),
    ("<BtchBookg>false</BtchBookg><NbOfTxs>3<", "<BtchBookg>false</BtchBookg><NbOfTxs>03<", &[PaymentInformationCount]),
    ("<CtrlSum>31.53</CtrlSum><InitgPty>", "<CtrlSum>31.54</CtrlSum><InitgPty>", &[GroupControlSum]),
    ("<CtrlSum>31.53</CtrlSum><PmtTpInf>", "<CtrlSum>31.530000000000001</CtrlSum><PmtTpInf>", &[PaymentInformationControlSum]),
    ("<CtrlSum>31.53</CtrlSum><PmtTpInf>", "<CtrlSum>3.153e1</CtrlSum><PmtTpInf>", &[PaymentInformationControlSum]),
    ("Ccy=\"EUR\">10.51", "Ccy=\"USD\">10.51", &[Currency]),
    ("<Ccy>EUR</Ccy>", "<Ccy>USD</Ccy>", &[Currency]),
    (">10.50<", ">10.5<", &[AmountDecimals]),
    (">10.50<", ">10.500<", &[AmountDecimals]),
    (">10.51<", ">+10.51<", &[AmountFormat]),
    (">10.51<", ">-10.51<", &[AmountFormat]),
    (">10.51<", ">1.051e1<", &[AmountFormat]),
    (">10.51<", ">10,51<", &[AmountFormat]),
    (">10.51<", "> 10.51<", &[AmountFormat]),
    (">10.51<", ">.51<", &[AmountFormat]),
    (">10.51<", ">0.00<", &[AmountPositive, Rule::Amount, GroupControlSum, PaymentInformationControlSum]),
    (">10.51<", ">1234567890123456789.00<", &[AmountLimit]),
    (">10.51<", ">1000000000.00<", &[AmountLimit, Rule::Amount, GroupControlSum, PaymentInformationControlSum]),
    ("DE89370400440532013000", "DE88370400440532013000", &[IbanCheckDigits, DebtorIban]),
    ("DE89370400440532013000", "AT611904300234573201", &[DebtorIban]),
    ("BE68539007547034", "BE69539007547034", &[IbanCheckDigits, CreditorIban]),
    ("BE68539007547034", "BE68935007547034", &[IbanCheckDigits, CreditorIban]),
    ("BE68539007547034", "BE685390075470340", &[IbanLength, CreditorIban]),
    ("BE68539007547034", "BE68 5390 0754 7034", &[IbanFormat, CreditorIban]),
    ("BE68539007547034", "NO9386011117947", &[CreditorIban]),
    ("BNPAFRPP", "BNPAF", &[Bic]),
    ("COBADEFFXXX", "COBADEFFXX", &[Bic]),
    ("COBADEFFXXX", "COBAZZFFXXX", &[Bic]),
    ("<BICFI>COBADEFFXXX</BICFI>", "<Othr><Id>NONE</Id></Othr>", &[Agent]),
    ("Reward of run 7", "Reward of run 7 and many more words than a bank takes in the one line that a payee reads about what he or she is paid for by whom and when and why", &[TextLength]),
    ("<InitgPty><Nm>Assay Operator", "<InitgPty><Nm>A name that is so long that not even a patient clerk would type it into a form of ", &[TextLength]),
    ("Payee 1", "Päyee 1", &[TextCharacters, CreditorName]),
    ("Reward of", "Reward = of", &[TextCharacters]),
    ("Payee 1", "Payee 9", &[CreditorName]),
    ("<Ctry>BE</Ctry>", "<Ctry>ZZ</Ctry>", &[Country]),
    ("2026-01-01T00:00:00Z", "2026-01-01 00:00:00", &[CreationTime]),
    ("2026-01-02", "02.01.2026", &[ExecutionDate]),
    ("2026-01-02", "2025-12-31", &[ExecutionBeforeCreation]),
    ("TRF", "CHK", &[PaymentMethod]),
    (">false<", ">no<", &[BatchBooking]),
    ("<Cd>SEPA</Cd>", "<Cd>URGP</Cd>", &[ServiceLevel]),
    ("<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>", "", &[ServiceLevel]),
    ("<Amt>", "<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf><Amt>", &[ServiceLevel]),
    ("SLEV", "DEBT", &[ChargeBearer]),
    ("<ChrgBr>SLEV</ChrgBr>", "", &[ChargeBearer]),
    ("</Amt>", "</Amt><ChrgBr>SLEV</ChrgBr>", &[ChargeBearer]),
    (">10.51<", ">10.52<", &[Rule::Amount, GroupControlSum, PaymentInformationControlSum]),
];

#[test]
fn every_seeded_fault_is_caught_by_its_own_rules_and_no_others() {
    let (order, payments) = (order("EUR", 2), payments(3, 3));
    let good = written(&order, &payments);
    let mut caught = BTreeSet::new();
    for (from, to, expected) in SEEDS {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let report = check(bad.as_bytes(), &expectation(&order, &payments));
        assert_eq!(rules(&report), expected.iter().copied().collect(), "{from} -> {to}: {:#?}", report.faults);
        assert!(report.faults.iter().all(|f| !f.place.is_empty() && f.expected != f.found), "{:#?}", report.faults);
        caught.insert(expected[0]);
    }
    assert!(SEEDS.len() >= 70 && caught.len() >= 36, "{} seeds for {} rules", SEEDS.len(), caught.len());
}

#[test]
fn transfers_that_lack_or_exceed_the_books_are_named() {
    let (order, all) = (order("EUR", 2), payments(4, 3));
    let text = written(&order, &all[..3]);
    let report = check(text.as_bytes(), &expectation(&order, &all));
    assert_eq!(rules(&report), [MissingTransfer].into());
    assert_eq!(report.faults[0].expected, "pay-3");
    let report = check(text.as_bytes(), &expectation(&order, &all[1..3]));
    assert_eq!(rules(&report), [ExtraTransfer].into());
    assert_eq!(report.faults[0].place, "PmtInf/CdtTrfTxInf[1]");
    assert_eq!(report.faults[0].to_string(), "ExtraTransfer at PmtInf/CdtTrfTxInf[1]: expected a reference of the books, found pay-0");
    let line = text.lines().find(|l| l.contains("pay-1<")).unwrap();
    let report = check(text.replace(line, &format!("{line}\n{line}")).as_bytes(), &expectation(&order, &all[..3]));
    assert!(rules(&report).is_superset(&[DuplicateEndToEndId, GroupCount, GroupControlSum].into()));
    let block = &text[text.find("<PmtInf>").unwrap()..text.find("</CstmrCdtTrfInitn>").unwrap()];
    let report = check(text.replace(block, &block.repeat(2)).as_bytes(), &expectation(&order, &all[..3]));
    assert!(rules(&report).is_superset(&[RepeatedElement, DuplicateEndToEndId, GroupCount].into()));
    assert_eq!(rules(&check(text.repeat(2).as_bytes(), &expectation(&order, &all[..3]))), [SecondDocument].into());
    let twice: Vec<Payment> = [&all[..3], &all[..1]].concat();
    assert_eq!(rules(&check(text.as_bytes(), &expectation(&order, &twice))), [Books].into());
}

#[test]
fn service_level_and_charges_follow_the_accounts() {
    let (order, payments) = (order("EUR", 2), payments(4, 4));
    let mixed = written(&order, &payments);
    let of = |text: &str| rules(&check(text.as_bytes(), &expectation(&order, &payments)));
    assert_eq!(of(&mixed.replacen("<ChrgBr>SLEV", "<ChrgBr>SHAR", 1)), [ChargeBearer].into());
    assert_eq!(of(&mixed.replacen("<ChrgBr>SHAR", "<ChrgBr>SLEV", 1)), [ChargeBearer].into());
    let (head, tail) = mixed.split_at(mixed.find("<CdtTrfTxInf><PmtId><EndToEndId>pay-3").unwrap());
    let bad = format!("{head}{}", tail.replacen("<Amt>", "<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf><Amt>", 1));
    assert_eq!(of(&bad), [ServiceLevel].into());
}

#[test]
fn books_of_another_currency_or_exponent_do_not_fit() {
    let (order, payments) = (order("EUR", 2), payments(1, 1));
    let text = written(&order, &payments);
    let books = Expectation { exponent: 3, ..expectation(&order, &payments) };
    assert_eq!(rules(&check(text.as_bytes(), &books)), [AmountDecimals, Rule::Amount].into());
    let books = Expectation { exponent: 24, ..expectation(&order, &payments) };
    assert_eq!(rules(&check(text.as_bytes(), &books)), [AmountDecimals, Rule::Amount].into());
    let books = Expectation { currency: "JPY", ..expectation(&order, &payments) };
    assert!(rules(&check(text.as_bytes(), &books)).contains(&Currency));
}

#[test]
fn a_report_is_bounded() {
    let (order, payments) = (order("EUR", 2), payments(2000, 3));
    let text = written(&order, &payments).replace("<Nm>Payee", "<Nm>Payer");
    let report = check(text.as_bytes(), &expectation(&order, &payments));
    assert_eq!((report.faults.len(), report.fault_count), (MAX_FAULTS, 2000));
}

#[test]
fn any_change_of_what_is_paid_is_a_fault_and_nothing_panics() {
    let (order, payments) = (order("EUR", 2), payments(3, 3));
    let good = written(&order, &payments).into_bytes();
    let mut random = SplitMix64(9);
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        let i = random.below(bytes.len() as u64) as usize;
        match random.below(3) {
            0 => bytes[i] = random.next() as u8,
            1 => drop(bytes.drain(i..(i + 1 + random.below(60) as usize).min(bytes.len()))),
            _ => bytes.insert(i, *random.pick(b"0123456789<>/&\"= .;!?-[]")),
        }
        let report = check(&bytes, &expectation(&order, &payments));
        if report.is_clean() {
            // What banks are free of: ids of the block, texts, BICs, dates, countries and blanks; not accounts and amounts.
            let paid = |bytes: &[u8]| {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                let values = |tag: &str| text.split(tag).skip(1).map(|t| t.split('<').next().unwrap().to_owned()).collect::<Vec<_>>();
                // A zero in front changes no number.
                let amounts: Vec<String> = values(" Ccy=\"EUR\">").iter().map(|a| a.trim_start_matches('0').to_owned()).collect();
                (values("<IBAN>"), amounts, values("<EndToEndId>"))
            };
            let whole = String::from_utf8(bytes.clone()).unwrap();
            if whole.matches("<IBAN>").count() == 4
                && whole.matches(" Ccy=\"EUR\">").count() == 3
                && whole.matches("<EndToEndId>").count() == 3
            {
                assert_eq!(paid(&bytes), paid(&good), "{whole}");
            }
        }
    }
}
