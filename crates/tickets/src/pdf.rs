//! The ticket to print: one page of A6. The same ticket always gives the same bytes.

mod face;
mod fit;
mod line;
mod page;

use std::{num::NonZero, sync::Arc, thread};

use fast_qr::qr::QRCodeError;
use tokio::sync::Semaphore;

use crate::ticket::Ticket;

/// Why a ticket cannot be drawn: a fault of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PdfError {
    #[error("the code does not fit into a QR picture")]
    Qr(#[from] QRCodeError),
    #[error("the document cannot be written: {0}")]
    Document(String),
    #[error("drawing was cut short")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Draws pages beside the asynchronous work, as many at once as the machine has cores.
#[derive(Clone)]
pub(crate) struct Printer(Arc<Semaphore>);

impl Printer {
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new(cores)))
    }

    /// The ticket as a PDF.
    pub(crate) async fn print(&self, ticket: Ticket) -> Result<Vec<u8>, PdfError> {
        // Closed it never is; the permit goes along, since the drawing goes on when nobody waits for it any more.
        let permit = Arc::clone(&self.0).acquire_owned().await.ok();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            page::draw(&ticket)
        })
        .await?
    }
}
