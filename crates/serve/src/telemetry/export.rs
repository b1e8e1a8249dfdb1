//! What becomes of spans is counted, and a collector that takes none is reported without flooding the log.

use crate::metrics;
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use prometheus::IntCounterVec;
use std::{
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// While a collector takes no spans, that is logged once in this time.
const REPORT_EVERY: Duration = Duration::from_secs(60);

static SPANS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "moviebooking_trace_spans_total",
        "Spans that ended, those of them that a collector took, and those that could not be sent; the rest waits or \
         was dropped from a full queue.",
        &["outcome"],
    )
});

/// The queue, with what goes in counted.
#[derive(Debug)]
pub(super) struct Counted(BatchSpanProcessor);

impl Counted {
    pub(super) fn new(queue: BatchSpanProcessor) -> Self {
        Self(queue)
    }
}

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        SPANS.with_label_values(&["ended"]).inc();
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// An exporter whose failures are counted and, now and then, logged.
#[derive(Debug)]
pub(super) struct Reported<E> {
    exporter: E,
    /// Spans lost since it was last said.
    lost: AtomicU64,
    said: Mutex<Option<Instant>>,
}

impl<E: SpanExporter> Reported<E> {
    pub(super) fn new(exporter: E) -> Self {
        Self { exporter, lost: AtomicU64::new(0), said: Mutex::new(None) }
    }

    fn report(&self, count: u64, result: &OTelSdkResult) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                SPANS.with_label_values(&["sent"]).inc_by(count);
                if said.take().is_some() {
                    tracing::info!("spans are sent to the collector again");
                }
            }
            Err(error) => {
                SPANS.with_label_values(&["failed"]).inc_by(count);
                let lost = self.lost.fetch_add(count, Ordering::Relaxed) + count;
                if said.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                    *said = Some(Instant::now());
                    self.lost.store(0, Ordering::Relaxed);
                    tracing::warn!(%error, lost, "spans cannot be sent to the collector");
                }
            }
        }
    }
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        self.report(count, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::error::OTelSdkError;
    use std::{
        io::Write,
        sync::Arc,
        sync::atomic::{AtomicBool, Ordering},
    };
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Debug)]
    struct Exporter(Arc<AtomicBool>);

    impl SpanExporter for Exporter {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            let up = self.0.load(Ordering::Relaxed);
            if up { Ok(()) } else { Err(OTelSdkError::InternalFailure("refused".to_owned())) }
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn a_collector_that_is_down_is_reported_once_and_its_return_too() {
        let (lines, up) = (Lines::default(), Arc::new(AtomicBool::new(false)));
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
        let exporter = Reported::new(Exporter(Arc::clone(&up)));
        let _logging = tracing::subscriber::set_default(subscriber);
        for _ in 0..5 {
            assert!(exporter.export(Vec::new()).await.is_err());
        }
        up.store(true, Ordering::Relaxed);
        for _ in 0..5 {
            assert!(exporter.export(Vec::new()).await.is_ok());
        }
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("cannot be sent").count(), 1, "{text}");
        assert_eq!(text.matches("sent to the collector again").count(), 1, "{text}");
    }
}
