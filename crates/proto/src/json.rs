//! Messages as canonical proto3 JSON, with the fields that have their default value (but not those that tell "not
//! given" from the default): lists and texts are always there, which spares clients a case.
//!
//! There are two ways to the same text. One writes JSON straight from the encoded message, by a plan that was made at
//! start; lists cost a third of the time that way. The other decodes the message with prost-reflect first; it takes
//! what the plan does not know and what no encoder of ours writes (fields out of order, a field twice).

mod plan;
mod wire;

use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};

use plan::Plans;
pub use wire::varint;

const OPTIONS: SerializeOptions = SerializeOptions::new().skip_default_fields(false);

/// Why there is no JSON of an encoded message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are not such a message.
    #[error("not a message of this type: {0}")]
    Decode(#[from] prost::DecodeError),
    /// It has a value that JSON cannot have.
    #[error("not a value that JSON can have: {0}")]
    Write(#[from] serde_json::Error),
}

/// Writes messages of some types as JSON.
#[derive(Debug)]
pub struct Writer {
    plans: Plans,
}

impl Writer {
    /// A writer for messages of these types.
    pub fn new(messages: impl IntoIterator<Item = MessageDescriptor>) -> Self {
        Self { plans: Plans::new(messages) }
    }

    /// The JSON of an encoded message.
    ///
    /// # Errors
    /// [`JsonError`]
    pub fn write(&self, message: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, JsonError> {
        let mut json = Vec::with_capacity(bytes.len() * 3 + 64);
        if wire::write(&self.plans, message, bytes, &mut json).is_some() {
            return Ok(json);
        }
        json.clear();
        reflect(message, bytes, &mut json)?;
        Ok(json)
    }
}

/// Writes a message by decoding it first.
fn reflect(message: &MessageDescriptor, bytes: &[u8], json: &mut Vec<u8>) -> Result<(), JsonError> {
    let message = DynamicMessage::decode(message.clone(), bytes)?;
    message.serialize_with_options(&mut serde_json::Serializer::new(json), &OPTIONS)?;
    Ok(())
}

#[cfg(test)]
mod tests;
