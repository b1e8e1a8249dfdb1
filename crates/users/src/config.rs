//! What an operator may set.

use clap::{Args, value_parser};

const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const QUEUE: u32 = 64;
const FAILURES_PER_ACCOUNT: u32 = 10;
const FAILURES_PER_ADDRESS: u32 = 100;
const REGISTRATIONS_PER_ADDRESS: u32 = 50;
const KEY_DAYS: u32 = 30;

/// Settings of the users service. The defaults of password hashing are OWASP's for argon2id; where a limit is per
/// 15 minutes, they begin with the first attempt.
#[derive(Clone, Debug, Args)]
#[group(id = "users")]
pub struct Config {
    /// Memory that hashing one password takes, in KiB.
    #[arg(long, env = "MOVIEBOOKING_PASSWORD_HASH_MEMORY_KIB", value_name = "KIB", default_value_t = MEMORY_KIB,
          value_parser = value_parser!(u32).range(8..=1_048_576))]
    pub password_hash_memory_kib: u32,
    /// Passes over that memory.
    #[arg(long, env = "MOVIEBOOKING_PASSWORD_HASH_ITERATIONS", value_name = "COUNT", default_value_t = ITERATIONS,
          value_parser = value_parser!(u32).range(1..=100))]
    pub password_hash_iterations: u32,
    /// Most passwords hashed at once [default: one per core].
    #[arg(long, env = "MOVIEBOOKING_PASSWORD_HASH_CONCURRENCY", value_name = "COUNT",
          value_parser = value_parser!(u32).range(1..=1_000))]
    pub password_hash_concurrency: Option<u32>,
    /// Most passwords waiting to be hashed; more are refused until there is room.
    #[arg(long, env = "MOVIEBOOKING_PASSWORD_HASH_QUEUE", value_name = "COUNT", default_value_t = QUEUE,
          value_parser = value_parser!(u32).range(0..=100_000))]
    pub password_hash_queue: u32,
    /// Most wrong passwords for one account in 15 minutes.
    #[arg(long, env = "MOVIEBOOKING_LOGIN_FAILURES_PER_ACCOUNT", value_name = "COUNT",
          default_value_t = FAILURES_PER_ACCOUNT, value_parser = value_parser!(u32).range(1..))]
    pub login_failures_per_account: u32,
    /// Most wrong passwords from one address in 15 minutes.
    #[arg(long, env = "MOVIEBOOKING_LOGIN_FAILURES_PER_ADDRESS", value_name = "COUNT",
          default_value_t = FAILURES_PER_ADDRESS, value_parser = value_parser!(u32).range(1..))]
    pub login_failures_per_address: u32,
    /// Most registrations from one address in 15 minutes.
    #[arg(long, env = "MOVIEBOOKING_REGISTRATIONS_PER_ADDRESS", value_name = "COUNT",
          default_value_t = REGISTRATIONS_PER_ADDRESS, value_parser = value_parser!(u32).range(1..))]
    pub registrations_per_address: u32,
    /// Days that a key signs access tokens before the next one does.
    #[arg(long, env = "MOVIEBOOKING_SIGNING_KEY_DAYS", value_name = "DAYS", default_value_t = KEY_DAYS,
          value_parser = value_parser!(u32).range(1..=365))]
    pub signing_key_days: u32,
    /// Send webhooks also without TLS and to loopback, private and other addresses that are not public: for development,
    /// and for receivers in a network of one's own.
    #[arg(long, env = "MOVIEBOOKING_WEBHOOKS_ALLOW_LOCAL")]
    pub webhooks_allow_local: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            password_hash_memory_kib: MEMORY_KIB,
            password_hash_iterations: ITERATIONS,
            password_hash_concurrency: None,
            password_hash_queue: QUEUE,
            login_failures_per_account: FAILURES_PER_ACCOUNT,
            login_failures_per_address: FAILURES_PER_ADDRESS,
            registrations_per_address: REGISTRATIONS_PER_ADDRESS,
            signing_key_days: KEY_DAYS,
            webhooks_allow_local: false,
        }
    }
}
