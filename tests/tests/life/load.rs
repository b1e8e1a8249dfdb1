//! Requests that flow while something is done to the platform.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::task::JoinHandle;

use crate::wait_until;

/// Answers of each client that show that requests flow.
const FLOWING: usize = 15;

/// Clients that ask one request after the other, and what went wrong.
pub(crate) struct Load {
    clients: Vec<(Arc<AtomicUsize>, JoinHandle<()>)>,
    stop: Arc<AtomicBool>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Load {
    pub(crate) fn new() -> Self {
        Self { clients: Vec::new(), stop: Arc::default(), failures: Arc::default() }
    }

    /// One more client. `ask` is told how often it was called before, and gives what is wrong with the answer.
    pub(crate) fn client<F>(&mut self, ask: impl Fn(usize) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), String>> + Send,
    {
        let answers = Arc::new(AtomicUsize::new(0));
        let (count, stop, failures) =
            (Arc::clone(&answers), Arc::clone(&self.stop), Arc::clone(&self.failures));
        let client = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                if let Err(failure) = ask(number).await {
                    failures.lock().unwrap().push(failure);
                }
                count.store(number + 1, Ordering::Relaxed);
            }
        });
        self.clients.push((answers, client));
    }

    /// Waits until every client has got some more answers.
    pub(crate) async fn flows(&self) {
        let before: Vec<usize> =
            self.clients.iter().map(|(count, _)| count.load(Ordering::Relaxed)).collect();
        wait_until("requests flow", async || {
            let now = self.clients.iter().map(|(count, _)| count.load(Ordering::Relaxed));
            now.zip(&before).all(|(now, before)| now >= before + FLOWING)
        })
        .await;
    }

    /// Ends it: there was no failure.
    pub(crate) async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for (_, client) in self.clients {
            client.await.unwrap();
        }
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new());
    }
}
