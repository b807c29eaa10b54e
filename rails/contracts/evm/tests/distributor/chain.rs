//! An embedded EVM with the contracts: what a node would do with our transactions, without fees.

use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, Bytes, TxKind, U256};
use revm::state::AccountInfo;
use revm::{Context, DatabaseRef as _, ExecuteCommitEvm as _, MainBuilder as _, MainContext as _, MainnetEvm};
use serde_json::Value;
use sha3::{Digest as _, Keccak256};

/// A successful call.
pub struct Done {
    /// What it returned.
    pub output: Vec<u8>,
    /// The first topic, the other topics and the data of its events, in order, all as words.
    pub events: Vec<Vec<[u8; 32]>>,
    /// Gas that its caller pays.
    pub gas: u64,
}

/// A chain with one block, whose time and id can be moved.
pub struct Chain(MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>);

impl Chain {
    /// An empty chain with the rules that the contracts are compiled for.
    pub fn new(chain_id: u64, time: u64) -> Chain {
        let mut config = CfgEnv::new_with_spec(SpecId::MERGE).with_chain_id(chain_id);
        config.disable_nonce_check = true;
        let block = BlockEnv { timestamp: U256::from(time), gas_limit: 1 << 40, ..BlockEnv::default() };
        Chain(Context::mainnet().with_cfg(config).with_db(CacheDB::<EmptyDB>::default()).with_block(block).build_mainnet())
    }

    /// Moves the clock, in seconds since 1970.
    pub fn set_time(&mut self, time: u64) {
        self.0.ctx.modify_block(|block| block.timestamp = U256::from(time));
    }

    /// Makes it another chain with the same state.
    pub fn set_chain_id(&mut self, chain_id: u64) {
        self.0.ctx.modify_cfg(|config| config.chain_id = chain_id);
    }

    /// Deploys from an account of its own number, so that the address depends on `deployer` alone.
    pub fn deploy(&mut self, deployer: u8, code: &[u8], arguments: &[[u8; 32]]) -> Result<[u8; 20], Vec<u8>> {
        let data = [code, arguments.as_flattened()].concat();
        match self.transact([deployer; 20], TxKind::Create, data) {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => Ok(address.into_array()),
            ExecutionResult::Revert { output, .. } => Err(output.to_vec()),
            other => panic!("deployment: {other:?}"),
        }
    }

    /// Calls `to`; what it reverted with if it did.
    pub fn call(&mut self, from: [u8; 20], to: [u8; 20], data: &[u8]) -> Result<Done, Vec<u8>> {
        match self.transact(from, TxKind::Call(Address::new(to)), data.to_vec()) {
            ExecutionResult::Success { output, logs, gas, .. } => {
                let event = |log: &revm::primitives::Log| {
                    assert!(log.data.data.len().is_multiple_of(32));
                    let data = log.data.data.chunks(32).map(|word| word.try_into().expect("32 bytes"));
                    log.data.topics().iter().map(|topic| topic.0).chain(data).collect()
                };
                Ok(Done { output: output.into_data().to_vec(), events: logs.iter().map(event).collect(), gas: gas.tx_gas_used() })
            }
            ExecutionResult::Revert { output, .. } => Err(output.to_vec()),
            other => panic!("call: {other:?}"),
        }
    }

    /// The code at `address`.
    pub fn code(&self, address: [u8; 20]) -> Vec<u8> {
        let db = &self.0.ctx.journaled_state.database;
        let account = db.basic_ref(Address::new(address)).unwrap().expect("an account");
        db.code_by_hash_ref(account.code_hash).unwrap().original_bytes().to_vec()
    }

    /// Takes the code from `address`, as its destruction would.
    pub fn erase(&mut self, address: [u8; 20]) {
        self.0.ctx.modify_db(|db| db.insert_account_info(Address::new(address), AccountInfo::default()));
    }

    fn transact(&mut self, caller: [u8; 20], kind: TxKind, data: Vec<u8>) -> ExecutionResult {
        // The chain id of a transaction is its signature's business; what is tested is the one that the contract reads.
        let tx = TxEnv {
            caller: Address::new(caller),
            kind,
            data: Bytes::from(data),
            gas_limit: 16_000_000,
            gas_price: 0,
            chain_id: None,
            ..TxEnv::default()
        };
        self.0.transact_commit(tx).expect("a valid transaction")
    }
}

/// A file that `contracts/build` wrote.
pub fn artifact(name: &str) -> Value {
    let path = format!("{}/../{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The bytes of a hexadecimal field of an artifact.
pub fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().strip_prefix("0x").unwrap();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

/// The first topic of an event.
pub fn topic(signature: &str) -> [u8; 32] {
    Keccak256::digest(signature).into()
}

/// The data of a call, or of a custom error.
pub fn encode(signature: &str, arguments: &[[u8; 32]]) -> Vec<u8> {
    [&topic(signature)[..4], arguments.as_flattened()].concat()
}

/// An unsigned integer as a word.
pub fn int(value: impl Into<u128>) -> [u8; 32] {
    left_padded(&value.into().to_be_bytes())
}

/// An address as a word.
pub fn addr(address: [u8; 20]) -> [u8; 32] {
    left_padded(&address)
}

fn left_padded(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
    word
}
