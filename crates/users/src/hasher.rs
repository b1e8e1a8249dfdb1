//! argon2id (RFC 9106), off the async threads, with a bound on how many run and how many wait.

use std::{error::Error, sync::Arc, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::Config;

/// Lanes: one, because this implementation computes them one after the other anyway.
const PARALLELISM: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// Too many are waiting.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
    /// The stored hash is none, or the machine has no memory or randomness.
    #[error("the password cannot be hashed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Hashes and verifies passwords.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    /// Permits for those that run and those that wait: no permit means refused.
    places: Arc<Semaphore>,
    /// Permits for those that run.
    cores: Arc<Semaphore>,
    /// What the passwords of unknown accounts are verified against: as costly as a real one, and nobody's.
    nobodys: String,
    /// How many passwords were hashed or verified.
    #[cfg(test)]
    pub(crate) computed: std::sync::atomic::AtomicUsize,
}

impl Hasher {
    pub(crate) fn new(config: &Config) -> Self {
        let (memory, iterations) = (config.password_hash_memory_kib, config.password_hash_iterations);
        // The command line refuses what argon2 would; settings made in code fall back to argon2's own defaults, which
        // are the same as ours.
        let params = Params::new(memory, iterations, PARALLELISM, None).unwrap_or_default();
        let cores = match config.password_hash_concurrency {
            Some(count) => usize::try_from(count).unwrap_or(1),
            None => available_parallelism().map_or(1, usize::from),
        };
        let queue = usize::try_from(config.password_hash_queue).unwrap_or(0);
        Self {
            nobodys: nobodys(&params),
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            places: Arc::new(Semaphore::new(cores.saturating_add(queue).min(Semaphore::MAX_PERMITS))),
            cores: Arc::new(Semaphore::new(cores)),
            #[cfg(test)]
            computed: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// A new hash of a password, as a PHC string.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, HashError> {
        let argon2 = self.argon2.clone();
        self.run(move || {
            argon2.hash_password(password.expose_secret().as_bytes()).map(|hash| hash.to_string())
        })
        .await
    }

    /// Whether the password has this hash. Without a hash it takes as long, and the answer is no.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, HashError> {
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        let argon2 = self.argon2.clone();
        self.run(move || {
            let hash = PasswordHash::new(&hash).map_err(|_| password_hash::Error::EncodingInvalid)?;
            match argon2.verify_password(password.expose_secret().as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Whether a hash was made with other settings than new ones are.
    pub(crate) fn is_outdated(&self, hash: &str) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let Ok(hash) = PasswordHash::new(hash) else { return true };
        let made = Params::try_from(&hash).ok();
        hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
            || made.as_ref().map(costs) != Some(costs(self.argon2.params()))
    }

    /// Takes all places, until the answer is dropped.
    #[cfg(test)]
    pub(crate) async fn fill(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.places.available_permits()).unwrap();
        Arc::clone(&self.places).acquire_many_owned(all).await.unwrap()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Overloaded)?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| HashError::Overloaded)?;
        #[cfg(test)]
        self.computed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        tokio::task::spawn_blocking(move || {
            // Freed when the work has ended, which goes on even if the request was given up.
            let _permits = (place, core);
            work()
        })
        .await
        .map_err(|error| HashError::Failed(error.into()))?
        .map_err(|error| HashError::Failed(error.into()))
    }
}

/// A hash that no password is known to have: salt and output are random.
fn nobodys(params: &Params) -> String {
    let (salt, output): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    format!(
        "${}$v={}$m={},t={},p={}${}${}",
        Algorithm::Argon2id,
        u32::from(Version::V0x13),
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { password_hash_memory_kib: 8, password_hash_iterations: 1, ..Config::default() }
    }

    fn password(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// Algorithm, version and costs: all that decides how long verifying takes.
    fn cost(hash: &str) -> Vec<String> {
        hash.split('$').take(4).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_password_has_its_hash_and_no_other() {
        let hasher = Hasher::new(&config());
        let hash = hasher.hash(password("correct horse")).await.unwrap();
        assert_ne!(hash, hasher.hash(password("correct horse")).await.unwrap(), "salted");
        assert!(hasher.verify(password("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(password("Correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(password("correct horse"), None).await.unwrap());
        assert!(!hasher.is_outdated(&hash));
    }

    #[tokio::test]
    async fn nobodys_hash_costs_what_a_real_one_does() {
        let hasher = Hasher::new(&config());
        assert_eq!(cost(&hasher.nobodys), cost(&hasher.hash(password("correct horse")).await.unwrap()));
        let defaults = Hasher::new(&Config::default());
        assert_eq!(cost(&defaults.nobodys), ["", "argon2id", "v=19", "m=19456,t=2,p=1"]);
    }

    #[tokio::test]
    async fn a_hash_of_other_settings_verifies_and_is_outdated() {
        let hash = Hasher::new(&config()).hash(password("correct horse")).await.unwrap();
        let stronger = Hasher::new(&Config { password_hash_iterations: 2, ..config() });
        assert!(stronger.verify(password("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(stronger.is_outdated(&hash));
        assert!(stronger.is_outdated("no hash"));
        let broken = stronger.verify(password("correct horse"), Some("no hash".to_owned())).await;
        assert!(matches!(broken, Err(HashError::Failed(_))));
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_refused() {
        let config = Config { password_hash_concurrency: Some(1), password_hash_queue: 1, ..config() };
        let hasher = Hasher::new(&config);
        let running = Arc::clone(&hasher.cores).acquire_owned().await.unwrap();
        let first_place = Arc::clone(&hasher.places).acquire_owned().await.unwrap();
        let waiting = hasher.hash(password("correct horse"));
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        let refused = hasher.verify(password("correct horse"), None).await;
        assert!(matches!(refused, Err(HashError::Overloaded)));
        drop((running, first_place));
        assert!(waiting.await.is_ok());
        assert_eq!(hasher.places.available_permits(), 2);
    }
}
