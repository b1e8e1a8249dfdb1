//! One event, with the attributes that CloudEvents 1.0 gives it.

use std::{fmt::Display, sync::LazyLock};

use jiff::Timestamp;
use moviebooking_proto::{event as types, events::v1 as wire, json::Writer};
use moviebooking_store::StoreError;
use serde_json::{Value, json};

/// Writes what an event is about.
static DATA: LazyLock<Writer> = LazyLock::new(|| Writer::new(types::types().values().cloned()));

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique among all events of the platform; the same whenever the event is published again.
    pub id: String,
    /// Its type: `moviebooking.<service>.<entity>.<past-tense verb>`.
    pub kind: String,
    /// The id of what it is about.
    pub subject: String,
    /// Events with the same key are published in the order in which they happened.
    pub partition_key: String,
    /// When it happened.
    pub time: Timestamp,
    /// Its message as JSON.
    pub data: String,
}

impl Event {
    /// An event with its data.
    ///
    /// # Errors
    /// When the data is no message of the platform's protos, which cannot be.
    pub fn new<M: types::Event>(
        id: impl Display,
        subject: impl Display,
        time: Timestamp,
        data: &M,
    ) -> Result<Self, StoreError> {
        let subject = subject.to_string();
        Ok(Self {
            id: id.to_string(),
            kind: M::TYPE.to_owned(),
            partition_key: subject.clone(),
            subject,
            time,
            data: json(data)?,
        })
    }

    /// The same event, in order with all that have this key.
    #[must_use]
    pub fn in_order_of(self, key: impl Display) -> Self {
        Self { partition_key: key.to_string(), ..self }
    }

    /// Who tells it: `/moviebooking/payments`.
    pub fn source(&self) -> String {
        format!("/moviebooking/{}", self.service())
    }

    /// The service that tells it: `payments`.
    pub fn service(&self) -> &str {
        self.kind.split('.').nth(1).unwrap_or_default()
    }

    /// The whole event as one JSON text (CloudEvents 1.0, JSON event format). It also has `timestamp`, where Standard
    /// Webhooks expect the time.
    pub fn cloud_event(&self) -> String {
        let data: Value = serde_json::from_str(&self.data).unwrap_or(Value::Null);
        let time = self.time.to_string();
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source(),
            "type": self.kind,
            "subject": self.subject,
            "time": time,
            "timestamp": time,
            "partitionkey": self.partition_key,
            "datacontenttype": "application/json",
            "data": data,
        })
        .to_string()
    }
}

/// The JSON of a message, with fields that have their defaults, so that a receiver sees every field there is.
pub(crate) fn json<M: types::Event>(data: &M) -> Result<String, StoreError> {
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Corrupt {
        column: "data".to_owned(),
        source,
    };
    let message = types::types().get(M::TYPE).ok_or_else(|| corrupt("not a type of event".into()))?;
    let text = DATA.write(message, &data.encode_to_vec()).map_err(|error| corrupt(error.into()))?;
    String::from_utf8(text).map_err(|error| corrupt(error.into()))
}

impl From<&Event> for wire::Event {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            source: event.source(),
            r#type: event.kind.clone(),
            subject: event.subject.clone(),
            time: Some(prost_types::Timestamp {
                seconds: event.time.as_second(),
                nanos: event.time.subsec_nanosecond(),
            }),
            partition_key: event.partition_key.clone(),
            data: event.data.clone(),
        }
    }
}

impl From<wire::Event> for Event {
    fn from(event: wire::Event) -> Self {
        let time = event.time.unwrap_or_default();
        Self {
            id: event.id,
            kind: event.r#type,
            subject: event.subject,
            partition_key: event.partition_key,
            time: Timestamp::new(time.seconds, time.nanos).unwrap_or(Timestamp::UNIX_EPOCH),
            data: event.data,
        }
    }
}

#[cfg(test)]
mod tests {
    use moviebooking_proto::reservations::v1::{ReservationHeld, SeatsChanged};

    use super::*;

    #[test]
    fn it_has_the_attributes_of_cloud_events() {
        let change = SeatsChanged { seats: vec!["A1".to_owned()], sequence: 7, ..Default::default() };
        let held = ReservationHeld { change: Some(change), expire_time: None };
        let time: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
        let event = Event::new("show-7", "hold", time, &held).unwrap().in_order_of("show");
        let json: Value = serde_json::from_str(&event.cloud_event()).unwrap();
        for (attribute, value) in [
            ("specversion", "1.0"),
            ("id", "show-7"),
            ("source", "/moviebooking/reservations"),
            ("type", "moviebooking.reservations.reservation.held"),
            ("subject", "hold"),
            ("partitionkey", "show"),
            ("time", "2026-11-22T18:00:00Z"),
            ("timestamp", "2026-11-22T18:00:00Z"),
            ("datacontenttype", "application/json"),
        ] {
            assert_eq!(json[attribute], value, "{attribute}");
        }
        assert_eq!(json["data"]["change"]["seats"], json!(["A1"]));
        assert_eq!(json["data"]["change"]["sequence"], "7", "64 bits are a text in JSON (ProtoJSON)");
        assert_eq!(json["data"]["change"]["userId"], "", "fields with their defaults are shown");
        assert_eq!(Event::from(wire::Event::from(&event)), event);
    }
}
