//! From the wire to JSON without a message in between.
//!
//! `None` anywhere means "not by me": the caller then decodes the message. That is right for everything that is odd but
//! valid and for everything that is wrong, which decoding will say.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::{
    Message as _,
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};
use prost_reflect::MessageDescriptor;
use serde::Serialize;

use super::plan::{Field, Plan, Plans, Value};

/// Messages within messages; as deep as prost decodes.
const DEEPEST: usize = 100;

/// Writes the message as JSON.
pub(super) fn write(
    plans: &Plans,
    message: &MessageDescriptor,
    bytes: &[u8],
    json: &mut Vec<u8>,
) -> Option<()> {
    write_plan(plans, plans.number(message)?, bytes, json, DEEPEST)
}

/// The value of a field that is written as a plain varint, if the message has it.
pub fn varint(mut bytes: &[u8], number: u32) -> Option<u64> {
    let mut found = None;
    while !bytes.is_empty() {
        let (field, kind) = decode_key(&mut bytes).ok()?;
        match (field == number, kind) {
            (true, WireType::Varint) => found = Some(decode_varint(&mut bytes).ok()?),
            _ => skip(kind, &mut bytes)?,
        }
    }
    found
}

fn write_plan(plans: &Plans, plan: usize, bytes: &[u8], json: &mut Vec<u8>, levels: usize) -> Option<()> {
    let levels = levels.checked_sub(1)?;
    match plans.get(plan)? {
        Plan::Fields(fields) => write_fields(plans, fields, bytes, json, levels),
        Plan::Timestamp => timestamp(bytes, json),
        Plan::Reflect(message) => super::reflect(message, bytes, json).ok(),
    }
}

fn write_fields(
    plans: &Plans,
    fields: &[Field],
    mut bytes: &[u8],
    json: &mut Vec<u8>,
    levels: usize,
) -> Option<()> {
    let mut object = Object { json, empty: true };
    let mut next = 0;
    let mut oneofs = 0_u64;
    object.json.push(b'{');
    while !bytes.is_empty() {
        let (number, kind) = decode_key(&mut bytes).ok()?;
        let Some(ahead) = fields.get(next..)?.iter().position(|field| field.number == number) else {
            if fields.iter().any(|field| field.number == number) {
                return None;
            }
            skip(kind, &mut bytes)?;
            continue;
        };
        for absent in fields.get(next..next + ahead)? {
            object.default(absent);
        }
        let field = fields.get(next + ahead)?;
        next += ahead + 1;
        if let Some(oneof) = field.oneof {
            let member = 1_u64.checked_shl(u32::try_from(oneof).ok()?)?;
            if oneofs & member != 0 {
                return None;
            }
            oneofs |= member;
        }
        object.name(field);
        if field.list {
            write_list(plans, field, kind, &mut bytes, object.json, levels)?;
        } else {
            write_value(plans, &field.value, kind, &mut bytes, object.json, levels)?;
        }
    }
    for absent in fields.get(next..)? {
        object.default(absent);
    }
    object.json.push(b'}');
    Some(())
}

struct Object<'j> {
    json: &'j mut Vec<u8>,
    empty: bool,
}

impl Object<'_> {
    fn name(&mut self, field: &Field) {
        if !self.empty {
            self.json.push(b',');
        }
        self.empty = false;
        self.json.extend_from_slice(field.name.as_bytes());
    }

    fn default(&mut self, field: &Field) {
        if let Some(default) = &field.default {
            self.name(field);
            self.json.extend_from_slice(default.as_bytes());
        }
    }
}

/// A list whose elements stand next to each other, as every encoder writes them.
fn write_list(
    plans: &Plans,
    field: &Field,
    kind: WireType,
    bytes: &mut &[u8],
    json: &mut Vec<u8>,
    levels: usize,
) -> Option<()> {
    let element = element_kind(&field.value);
    json.push(b'[');
    if kind == WireType::LengthDelimited && element != WireType::LengthDelimited {
        let mut packed = delimited(bytes)?;
        let mut first = true;
        while !packed.is_empty() {
            comma(json, &mut first);
            write_value(plans, &field.value, element, &mut packed, json, levels)?;
        }
    } else {
        let mut first = true;
        let mut kind = kind;
        loop {
            comma(json, &mut first);
            write_value(plans, &field.value, kind, bytes, json, levels)?;
            let mut ahead = *bytes;
            if ahead.is_empty() {
                break;
            }
            let (number, next) = decode_key(&mut ahead).ok()?;
            if number != field.number {
                break;
            }
            kind = next;
            *bytes = ahead;
        }
    }
    json.push(b']');
    Some(())
}

fn comma(json: &mut Vec<u8>, first: &mut bool) {
    if !*first {
        json.push(b',');
    }
    *first = false;
}

fn write_value(
    plans: &Plans,
    value: &Value,
    kind: WireType,
    bytes: &mut &[u8],
    json: &mut Vec<u8>,
    levels: usize,
) -> Option<()> {
    if kind != element_kind(value) {
        return None;
    }
    match value {
        Value::Bool => plain(json, &(decode_varint(bytes).ok()? != 0)),
        Value::Int32 => plain(json, &low_i32(decode_varint(bytes).ok()?)),
        Value::Uint32 => plain(json, &low_u32(decode_varint(bytes).ok()?)),
        Value::Sint32 => {
            let bits = low_u32(decode_varint(bytes).ok()?);
            plain(json, &((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()))
        }
        Value::Int64 => quoted(json, decode_varint(bytes).ok()?.cast_signed()),
        Value::Uint64 => quoted(json, decode_varint(bytes).ok()?),
        Value::Sint64 => {
            let bits = decode_varint(bytes).ok()?;
            quoted(json, (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
        }
        Value::Fixed32 => plain(json, &bytes.try_get_u32_le().ok()?),
        Value::Sfixed32 => plain(json, &bytes.try_get_i32_le().ok()?),
        Value::Fixed64 => quoted(json, bytes.try_get_u64_le().ok()?),
        Value::Sfixed64 => quoted(json, bytes.try_get_i64_le().ok()?),
        Value::Float => {
            let number = bytes.try_get_f32_le().ok()?;
            if number.is_finite() { plain(json, &number) } else { unusual(json, number.into()) }
        }
        Value::Double => {
            let number = bytes.try_get_f64_le().ok()?;
            if number.is_finite() { plain(json, &number) } else { unusual(json, number) }
        }
        Value::String => plain(json, std::str::from_utf8(delimited(bytes)?).ok()?),
        Value::Bytes => plain(json, &STANDARD.encode(delimited(bytes)?)),
        Value::Enum(names) => {
            let number = low_i32(decode_varint(bytes).ok()?);
            match names.get(&number) {
                Some(name) => json.extend_from_slice(name.as_bytes()),
                // A value that this build does not know yet.
                None => plain(json, &number)?,
            }
            Some(())
        }
        Value::Message(plan) => write_plan(plans, *plan, delimited(bytes)?, json, levels),
    }
}

fn element_kind(value: &Value) -> WireType {
    match value {
        Value::Fixed32 | Value::Sfixed32 | Value::Float => WireType::ThirtyTwoBit,
        Value::Fixed64 | Value::Sfixed64 | Value::Double => WireType::SixtyFourBit,
        Value::String | Value::Bytes | Value::Message(_) => WireType::LengthDelimited,
        _ => WireType::Varint,
    }
}

fn plain<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Option<()> {
    serde_json::to_writer(json, value).ok()
}

fn quoted<T: Serialize>(json: &mut Vec<u8>, value: T) -> Option<()> {
    json.push(b'"');
    plain(json, &value)?;
    json.push(b'"');
    Some(())
}

fn unusual(json: &mut Vec<u8>, number: f64) -> Option<()> {
    let name = match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    plain(json, name)
}

fn timestamp(bytes: &[u8], json: &mut Vec<u8>) -> Option<()> {
    // The years 1 to 9999: others have no text, which decoding will say.
    const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    let timestamp = prost_types::Timestamp::decode(bytes).ok()?;
    if !YEARS.contains(&timestamp.seconds) || !(0..1_000_000_000).contains(&timestamp.nanos) {
        return None;
    }
    plain(json, &timestamp.to_string())
}

/// int32 and enums are written as 64 bits; readers take the low half.
#[expect(clippy::cast_possible_truncation, reason = "the high half only repeats the sign")]
fn low_i32(bits: u64) -> i32 {
    bits as i32
}

#[expect(clippy::cast_possible_truncation, reason = "the high half means nothing")]
fn low_u32(bits: u64) -> u32 {
    bits as u32
}

fn delimited<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(value)
}

fn skip(kind: WireType, bytes: &mut &[u8]) -> Option<()> {
    match kind {
        WireType::Varint => decode_varint(bytes).ok().map(drop),
        WireType::SixtyFourBit => bytes.try_get_u64_le().ok().map(drop),
        WireType::ThirtyTwoBit => bytes.try_get_u32_le().ok().map(drop),
        WireType::LengthDelimited => delimited(bytes).map(drop),
        WireType::StartGroup | WireType::EndGroup => None,
    }
}
