//! The whole service on both engines, and on PostgreSQL with and without holds in one statement.

mod auditing;
mod counting;
mod depending;
mod holding;
mod keeping;
mod neighbours;
mod offering;
mod races;
mod selling;
mod telling;
mod watching;
mod world;

/// Makes of each `async fn name(world: World) { … }` three tests: on SQLite, on PostgreSQL as it is used, and on
/// PostgreSQL where every hold takes its turn.
macro_rules! everywhere {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, clippy::allow_attributes, reason = "not every body uses what is outside")]
            use super::*;

            async fn body($world: World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body(World::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_at_once() {
                body(World::postgres(true).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_in_turns() {
                body(World::postgres(false).await).await;
            }
        }
    )+};
}
pub(crate) use everywhere;
