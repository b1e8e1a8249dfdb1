//! What is told of each platform: read from the resources, as they are known when somebody asks.

use std::sync::{PoisonError, RwLock};

use kube::{ResourceExt as _, core::DeserializeGuard, runtime::reflector::Store};
use moviebooking_serve::metrics::{IntGaugeVec, registry};
use prometheus::{
    Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::api::MovieBookingPlatform;

/// The platforms that are known to the controller that works now.
static KNOWN: RwLock<Option<Known>> = RwLock::new(None);

type Known = Store<DeserializeGuard<MovieBookingPlatform>>;

/// Gauges of all platforms. One that is deleted is not told of any more.
pub struct Platforms {
    ready: IntGaugeVec,
    last_success: IntGaugeVec,
    last_scheduled: IntGaugeVec,
}

impl Platforms {
    /// Shows those that are `known`, from now on.
    pub fn show(known: Known) {
        let before = KNOWN.write().unwrap_or_else(PoisonError::into_inner).replace(known);
        if before.is_some() {
            return;
        }
        let made = Self::new().and_then(|platforms| registry().register(Box::new(platforms)));
        if let Err(error) = made {
            tracing::error!(%error, "the metrics of the platforms are not shown");
        }
    }

    fn new() -> prometheus::Result<Self> {
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), &["namespace", "platform"]);
        Ok(Self {
            ready: gauge(
                "moviebooking_operator_platform_ready",
                "1 while a platform is ready, 0 while it is not; nothing while it is suspended.",
            )?,
            last_success: gauge(
                "moviebooking_operator_backup_last_success_timestamp_seconds",
                "When the last backup of a platform was done that has some; 0 before the first.",
            )?,
            last_scheduled: gauge(
                "moviebooking_operator_backup_last_scheduled_timestamp_seconds",
                "When a backup of a platform was last due.",
            )?,
        })
    }
}

impl Collector for Platforms {
    fn desc(&self) -> Vec<&Desc> {
        [self.ready.desc(), self.last_success.desc(), self.last_scheduled.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for gauge in [&self.ready, &self.last_success, &self.last_scheduled] {
            gauge.reset();
        }
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone();
        for guarded in known.into_iter().flat_map(|known| known.state()) {
            let (namespace, name) = (guarded.namespace().unwrap_or_default(), guarded.name_any());
            let labels = [namespace.as_str(), name.as_str()];
            let status =
                guarded.0.as_ref().ok().and_then(|platform| platform.status.clone()).unwrap_or_default();
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            match ready.map_or("False", |ready| ready.status.as_str()) {
                "Unknown" => {}
                status => self.ready.with_label_values(&labels).set((status == "True").into()),
            }
            if let Some(backup) = status.backup {
                let success = backup.last_success_time.map_or(0, |time| time.0.as_second());
                self.last_success.with_label_values(&labels).set(success);
                if let Some(scheduled) = backup.last_schedule_time {
                    self.last_scheduled.with_label_values(&labels).set(scheduled.0.as_second());
                }
            }
        }
        [self.ready.collect(), self.last_success.collect(), self.last_scheduled.collect()].concat()
    }
}
