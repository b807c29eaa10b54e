//! Dates of ISO 8601 from Unix time and back, in the proleptic Gregorian calendar and UTC.

/// Seconds of a day; Unix time knows no leap seconds.
const DAY_S: i64 = 86_400;

/// Days before each month of a year that begins in March, so that the leap day comes last.
const BEFORE_MONTH: [i64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

/// Days since 1970-01-01 of a date; `None` if the calendar has no such date or the year is not 0 to 9999.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(0..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    Some(march_year * 365 + leaps + BEFORE_MONTH[march_month as usize] + day - 1 - 719_468)
}

/// Year, month and day of a day since 1970-01-01.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let from_march = days + 719_468;
    // 400 years have 146 097 days; the first guess is at most one year too late.
    let mut year = from_march.div_euclid(146_097) * 400 + from_march.rem_euclid(146_097) * 400 / 146_097;
    let start = |year: i64| year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    while start(year) > from_march {
        year -= 1;
    }
    while start(year + 1) <= from_march {
        year += 1;
    }
    let rest = from_march - start(year);
    let month = BEFORE_MONTH.iter().rposition(|&before| before <= rest).expect("the first month begins at 0");
    let day = rest - BEFORE_MONTH[month] + 1;
    if month < 10 { (year, month as i64 + 3, day) } else { (year + 1, month as i64 - 9, day) }
}

/// `YYYY-MM-DD` of a Unix time; `None` outside the years 0 to 9999, which the text cannot hold.
pub fn date(unix_s: i64) -> Option<String> {
    let (year, month, day) = civil(unix_s.div_euclid(DAY_S));
    (0..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// `YYYY-MM-DDThh:mm:ssZ` of a Unix time; `None` outside the years 0 to 9999.
pub fn date_time(unix_s: i64) -> Option<String> {
    let second = unix_s.rem_euclid(DAY_S);
    Some(format!("{}T{:02}:{:02}:{:02}Z", date(unix_s)?, second / 3600, second / 60 % 60, second % 60))
}

/// Days since 1970-01-01 of `YYYY-MM-DD`; `None` if it is no date of the calendar.
pub fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    days_of(digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?)
}

/// Unix time of `YYYY-MM-DDThh:mm:ss` with an optional fraction, which is dropped, and an optional `Z` or `±hh:mm`.
///
/// Without an offset the time is taken as UTC.
///
/// Source: XML Schema part 2, section 3.2.7, without years of more than 4 digits and without hour 24.
pub fn parse_date_time(text: &str) -> Option<i64> {
    let (day, time) = text.split_once('T')?;
    let bytes = time.as_bytes();
    if bytes.len() < 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&bytes[..2])?, digits(&bytes[3..5])?, digits(&bytes[6..8])?);
    let mut rest = &bytes[8..];
    if rest.first() == Some(&b'.') {
        let end = rest[1..].iter().position(|b| !b.is_ascii_digit()).map_or(rest.len(), |i| i + 1);
        if end == 1 {
            return None;
        }
        rest = &rest[end..];
    }
    let offset_s = match rest {
        b"" | b"Z" => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', a, b] => {
            let (hours, minutes) = (digits(hours).filter(|_| hours.len() == 2)?, digits(&[*a, *b])?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            (hours * 3600 + minutes * 60) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(parse_date(day)? * DAY_S + hour * 3600 + minute * 60 + second - offset_s)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_twelve_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = civil(-400 * 366);
        for days in -400 * 366 + 1..800 * 366 {
            let next = civil(days);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
            assert_eq!(next, (year, month, day));
            assert_eq!(days_of(year, month, day), Some(days));
        }
    }

    #[test]
    fn known_times_are_written_and_read() {
        assert_eq!(date_time(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(date_time(951_827_696).as_deref(), Some("2000-02-29T12:34:56Z"));
        assert_eq!(date_time(-1).as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(date(253_402_300_799).as_deref(), Some("9999-12-31"));
        assert_eq!(date(253_402_300_800), None);
        assert_eq!(date(i64::MIN / 2), None);
        assert_eq!(parse_date_time("2000-02-29T12:34:56.789+02:00"), Some(951_827_696 - 7200));
        assert_eq!(parse_date_time("2000-02-29T12:34:56"), Some(951_827_696));
        for text in [
            "2001-02-29T00:00:00Z",
            "2000-02-29T24:00:00Z",
            "2000-02-29",
            "2000-02-29T00:00:00.Z",
            "2000-02-29T00:00:00+2:00",
            "2000-02-29T00:00:00z",
        ] {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
        for text in ["2000-13-01", "2000-00-01", "2000-04-31", "2000-4-01", "20000401", "+200-01-01", "2000-01-01Z"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
