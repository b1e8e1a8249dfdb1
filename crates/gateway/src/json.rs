//! Messages as canonical proto3 JSON, with the fields that have their default value (but not those that tell "not
//! given" from the default): lists and texts are always there, which spares clients a case.
//!
//! There are two ways to the same text. One writes JSON straight from the encoded message, by a plan that was made at
//! start; lists cost a third of the time that way. The other decodes the message with prost-reflect first; it takes
//! what the plan does not know and what no encoder of ours writes (fields out of order, a field twice).

mod plan;
mod wire;

use moviebooking_proto::Problem;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use tonic::Status;

use plan::Plans;
pub(crate) use wire::varint;

const OPTIONS: SerializeOptions = SerializeOptions::new().skip_default_fields(false);

/// Writes messages of some types as JSON.
#[derive(Debug)]
pub(crate) struct Writer {
    plans: Plans,
}

impl Writer {
    /// A writer for messages of these types.
    pub(crate) fn new(messages: impl IntoIterator<Item = MessageDescriptor>) -> Self {
        Self { plans: Plans::new(messages) }
    }

    /// The JSON of an encoded message.
    ///
    /// # Errors
    /// INTERNAL when the bytes are not such a message: the service and the gateway are of different builds.
    pub(crate) fn write(&self, message: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, Status> {
        let mut json = Vec::with_capacity(bytes.len() * 3 + 64);
        if wire::write(&self.plans, message, bytes, &mut json).is_some() {
            return Ok(json);
        }
        json.clear();
        reflect(message, bytes, &mut json)
            .map_err(|error| {
                tracing::error!(error, message = message.full_name(), "an answer cannot be read");
                Problem::internal().into()
            })
            .map(|()| json)
    }
}

/// Writes a message by decoding it first.
fn reflect(message: &MessageDescriptor, bytes: &[u8], json: &mut Vec<u8>) -> Result<(), tower::BoxError> {
    let message = DynamicMessage::decode(message.clone(), bytes)?;
    message.serialize_with_options(&mut serde_json::Serializer::new(json), &OPTIONS)?;
    Ok(())
}

#[cfg(test)]
mod tests;
