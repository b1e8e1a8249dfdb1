//! Copies of a platform's databases, and a platform that begins with one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Copies of all databases as of one moment, made at fixed times and kept on a volume. A Job that is made of the platform's
/// CronJob by hand (`kubectl create job --from=cronjob/PLATFORM-backup NAME`) makes one at once; it is named as the Job.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// When one is made, in UTC: minute, hour, day of the month, month and day of the week, such as `30 3 * * *` for half
    /// past three every night; or @hourly, @daily, @weekly or @monthly.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(validation = Rule::new("self.matches('^(@(hourly|daily|weekly|monthly)|[0-9*,/-]+ [0-9*,/-]+ [0-9*,/-]+ [0-9A-Za-z*,/-]+ [0-9A-Za-z*,/-]+)$')").message(
        "schedule: use five fields such as '30 3 * * *' (minute, hour, day, month, day of the week, in UTC), or @hourly, @daily, @weekly or @monthly"
    ))]
    pub schedule: String,
    /// Name of the PersistentVolumeClaim that they are written to, each into a folder of its own. It is made by who writes
    /// this, and stays when the platform goes.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::NAME).message(
        "claimName: use the name of a PersistentVolumeClaim: lower-case letters, digits, '-' and '.'"
    ))]
    pub claim_name: String,
    /// How many of those are kept that were made by the schedule: when there are more, the oldest go. Those that were made by
    /// hand stay.
    #[serde(default = "a_week")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep: i32,
}

fn a_week() -> i32 {
    7
}

/// The copy that a new server begins with. A volume that has data is left as it is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Name of the PersistentVolumeClaim, in the platform's namespace, that the copy is on. It is only read.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::NAME).message(
        "claimName: use the name of a PersistentVolumeClaim: lower-case letters, digits, '-' and '.'"
    ))]
    pub claim_name: String,
    /// Name of the copy: that of its folder, such as cinema-backup-29401290, and in `status.backup.lastName` of the platform
    /// that made it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::NAME).message(
        "backup: use the name of a backup such as cinema-backup-29401290: lower-case letters, digits, '-' and '.'"
    ))]
    pub backup: String,
}

/// What copies there are of a platform's databases.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Name of the last one that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Time>,
    /// When one was last due by the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,
}
