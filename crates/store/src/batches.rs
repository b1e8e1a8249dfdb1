//! What several requests write or read at the same time, in one statement for all of them.
//!
//! A statement's round trip, its start in the database and its commit cost about the same for one row as for ten. So while
//! as many run as may, what comes meanwhile waits together and is what the next is about. Who comes alone has a statement
//! alone and at once. Where the one before was for several, the next waits a moment for company, so that the more come the
//! less each costs.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::{Db, Row, StoreError};

/// How much one statement does at most: a bound on how long it keeps its rows locked.
const MOST: usize = 32;

/// Where so many wait, the next statement waits for no more: what each costs hardly falls any further.
const ENOUGH: usize = 8;

/// How long a statement waits for company, where the one before had some.
const GATHER: Duration = Duration::from_millis(1);

/// What runs a batch and answers, in its order, what became of each. It is one statement, so that it has no effect where
/// it fails.
pub type Run<T, R> = for<'a> fn(&'a Db, &'a [T]) -> Running<'a, R>;

/// The end of a [`Run`].
pub type Running<'a, R> = Pin<Box<dyn Future<Output = Result<Vec<R>, StoreError>> + Send + 'a>>;

/// What a statement answered of each of `many` that were [numbered](crate::Sql::push_few): it has the column `number` and
/// no rows for those that it did nothing for.
///
/// # Errors
/// [`StoreError`] of a row that cannot be read.
pub fn by_number<R>(
    rows: &[Row],
    many: usize,
    read: impl Fn(&Row) -> Result<R, StoreError>,
) -> Result<Vec<Option<R>>, StoreError> {
    let answered = rows.iter().map(|row| Ok((row.get::<i64>("number")?, read(row)?)));
    let mut answered = answered.collect::<Result<HashMap<i64, R>, StoreError>>()?;
    Ok((1_i64..).take(many).map(|number| answered.remove(&number)).collect())
}

/// Statements of one kind on a database; a clone is a handle on the same.
pub struct Batches<T, R> {
    shared: Arc<Shared<T, R>>,
}

struct Shared<T, R> {
    db: Db,
    run: Run<T, R>,
    /// How many statements run side by side at most.
    most: usize,
    queue: Mutex<Queue<T, R>>,
}

struct Queue<T, R> {
    waiting: VecDeque<(T, Answer<R>)>,
    /// How many run what waits.
    serving: usize,
    /// How many the last statement was for.
    last: usize,
}

type Answer<R> = oneshot::Sender<Result<R, StoreError>>;

impl<T, R> Clone for Batches<T, R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T, R> fmt::Debug for Batches<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batches({:?})", self.shared.db)
    }
}

impl<T: Send + Sync + 'static, R: Send + 'static> Batches<T, R> {
    /// Batches that `run` runs on `db`, one after another.
    pub fn new(db: Db, run: Run<T, R>) -> Self {
        Self::side_by_side(1, db, run)
    }

    /// Batches of which at most so many run side by side, for what everybody waits for several times: the processor then
    /// has one to work on while another waits for the disk.
    pub fn side_by_side(most: usize, db: Db, run: Run<T, R>) -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), serving: 0, last: 0 });
        Self { shared: Arc::new(Shared { db, run, most, queue }) }
    }

    /// Has `item` written or read, with what others want meanwhile. Who stops waiting does not stop it.
    ///
    /// # Errors
    /// [`StoreError`], each its own: a batch that fails has no effect, and what was in it is run one by one. After
    /// [`StoreError::Unavailable`] it is not known whether it was written.
    pub async fn run(&self, item: T) -> Result<R, StoreError> {
        let (answer, answered) = oneshot::channel();
        if self.shared.join(item, answer) {
            let turn = Turn { shared: Arc::clone(&self.shared), ended: false };
            tokio::spawn(async move { turn.serve().await }.in_current_span());
        }
        answered.await.unwrap_or_else(|_gone| Err(sqlx::Error::WorkerCrashed.into()))
    }
}

impl<T, R> Shared<T, R> {
    fn queue(&self) -> MutexGuard<'_, Queue<T, R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines up; true for who has to serve the queue too.
    fn join(&self, item: T, answer: Answer<R>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back((item, answer));
        let is_free = queue.serving < self.most;
        queue.serving += usize::from(is_free);
        is_free
    }

    /// Whether others are likely to come within a moment, and are worth the wait.
    fn expects_company(&self) -> bool {
        let queue = self.queue();
        queue.last > 1 && queue.waiting.len() < ENOUGH
    }

    /// Takes who is next; nobody when nobody waits, and then who asked does not serve the queue any more.
    fn next(&self) -> (Vec<T>, Vec<Answer<R>>) {
        let mut queue = self.queue();
        let many = queue.waiting.len().min(MOST);
        if many == 0 {
            queue.serving -= 1;
        } else {
            queue.last = many;
        }
        queue.waiting.drain(..many).unzip()
    }

    /// Runs what is in a batch, at once or, where that fails, one by one, so that nothing fails for something else.
    async fn run_each(&self, items: &[T]) -> Vec<Result<R, StoreError>> {
        let run = |items| (self.run)(&self.db, items);
        let error = match run(items).await {
            Ok(results) => return results.into_iter().map(Ok).collect(),
            Err(error) if items.len() == 1 => return vec![Err(error)],
            Err(error) => error,
        };
        let mut results = Vec::with_capacity(items.len());
        for item in items.chunks(1) {
            results.push(match error.unavailable_too() {
                Some(error) => Err(error),
                None => run(item).await.and_then(|one| one.into_iter().next().ok_or(StoreError::NoRow)),
            });
        }
        results
    }
}

/// The service of a queue, until nobody waits. Where it is given up before, who waits is told so.
struct Turn<T, R> {
    shared: Arc<Shared<T, R>>,
    ended: bool,
}

impl<T, R> Turn<T, R> {
    async fn serve(mut self) {
        loop {
            if self.shared.expects_company() {
                tokio::time::sleep(GATHER).await;
            }
            let (items, answers) = self.shared.next();
            if items.is_empty() {
                // From here on somebody else may in its place.
                self.ended = true;
                return;
            }
            let results = self.shared.run_each(&items).await;
            for (answer, result) in answers.into_iter().zip(results) {
                // Who does not wait any more does not need to know.
                let _ = answer.send(result);
            }
        }
    }
}

impl<T, R> Drop for Turn<T, R> {
    fn drop(&mut self) {
        if !self.ended {
            let mut queue = self.shared.queue();
            queue.waiting.clear();
            queue.serving -= 1;
        }
    }
}
