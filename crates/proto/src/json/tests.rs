//! The two ways to write a message are held against each other.

use std::{collections::HashMap, sync::LazyLock};

use crate::access;
use proptest::{prelude::*, strategy::BoxedStrategy};
use prost_reflect::{
    DescriptorPool, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value, prost::Message as _,
};

use super::*;

/// Every kind of field there is, which the platform's protos do not have.
const EVERYTHING: &str = r#"
    syntax = "proto3";
    package everything;
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/wrappers.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/empty.proto";
    enum Color { COLOR_UNSPECIFIED = 0; RED = 1; BLUE = -2; }
    message Everything {
      double a_double = 1; float a_float = 2; int32 an_int32 = 3; int64 an_int64 = 4; uint32 a_uint32 = 5;
      uint64 a_uint64 = 6; sint32 a_sint32 = 7; sint64 a_sint64 = 8; fixed32 a_fixed32 = 9; fixed64 a_fixed64 = 10;
      sfixed32 a_sfixed32 = 11; sfixed64 a_sfixed64 = 12; bool a_bool = 13; string a_string = 14; bytes a_bytes = 15;
      Color color = 16; Everything again = 17;
      repeated double doubles = 101; repeated float floats = 102; repeated int32 int32s = 103;
      repeated sint64 sint64s = 108; repeated fixed32 fixed32s = 109; repeated bool bools = 113;
      repeated string strings = 114; repeated bytes many_bytes = 115; repeated Color colors = 116;
      repeated Everything children = 117; repeated int32 unpacked = 118 [packed = false];
      optional int32 maybe_int32 = 201; optional string maybe_string = 202; optional Color maybe_color = 203;
      oneof choice { string text = 301; int64 number = 302; Everything nested = 303; }
      google.protobuf.Timestamp time = 401; google.protobuf.Duration duration = 402;
      google.protobuf.Struct struct = 403; google.protobuf.Int64Value int64_value = 404;
      google.protobuf.FieldMask mask = 405; repeated google.protobuf.Timestamp times = 406;
      google.protobuf.Empty nothing = 407; google.protobuf.BoolValue bool_value = 408;
      WithMap with_map = 409;
    }
    message WithMap { map<string, int32> map = 1; string after = 2; }
"#;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("everything.proto"), EVERYTHING).unwrap();
    let mut compiler = protox::Compiler::new([folder.path()]).unwrap();
    compiler.include_imports(true).open_file("everything.proto").unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
});

/// Every type that an RPC of the platform answers with, and the one with everything.
static TYPES: LazyLock<Vec<MessageDescriptor>> = LazyLock::new(|| {
    // What is sent as it is has no JSON.
    let answers = access::methods()
        .map(|rpc| rpc.output())
        .filter(|message| message.full_name() != "google.api.HttpBody");
    answers.chain(POOL.get_message_by_name("everything.Everything")).collect()
});

fn any_message(message: &MessageDescriptor, levels: usize) -> BoxedStrategy<DynamicMessage> {
    let known = match message.full_name() {
        "google.protobuf.Timestamp" => {
            let nanos = prop_oneof![Just(0), Just(500_000_000), 0..1_000_000_000];
            Some((prop_oneof![Just(0), -62_135_596_800_i64..=253_402_300_799], nanos).boxed())
        }
        "google.protobuf.Duration" => Some((0..1_000_i64, 0..1_000_000_000).boxed()),
        // Its values are written by prost-reflect either way; one without a kind is not even valid.
        "google.protobuf.Struct" => return Just(DynamicMessage::new(message.clone())).boxed(),
        _ => None,
    };
    if let Some(known) = known {
        let message = message.clone();
        return known
            .prop_map(move |(seconds, nanos)| {
                let mut value = DynamicMessage::new(message.clone());
                value.set_field_by_name("seconds", Value::I64(seconds));
                value.set_field_by_name("nanos", Value::I32(nanos));
                value
            })
            .boxed();
    }
    if message.full_name() == "google.protobuf.FieldMask" {
        let message = message.clone();
        return prop::collection::vec("[a-z]{1,5}", 0..3)
            .prop_map(move |paths| {
                let mut value = DynamicMessage::new(message.clone());
                value.set_field_by_name("paths", Value::List(paths.into_iter().map(Value::String).collect()));
                value
            })
            .boxed();
    }
    let mut fields = Just(Vec::new()).boxed();
    for field in message.fields() {
        if levels == 0 && matches!(field.kind(), Kind::Message(_)) {
            continue;
        }
        let value = prop::option::weighted(0.6, any_value(&field, levels));
        fields = (fields, value)
            .prop_map(move |(mut fields, value)| {
                fields.extend(value.map(|value| (field.clone(), value)));
                fields
            })
            .boxed();
    }
    let message = message.clone();
    fields
        .prop_map(move |fields| {
            let mut value = DynamicMessage::new(message.clone());
            for (field, content) in fields {
                value.set_field(&field, content);
            }
            value
        })
        .boxed()
}

fn any_value(field: &FieldDescriptor, levels: usize) -> BoxedStrategy<Value> {
    if let Kind::Message(entry) = field.kind()
        && entry.is_map_entry()
    {
        // One entry at most: prost-reflect writes several in any order.
        let value = any_single(&entry.map_entry_value_field().kind(), levels);
        return prop::option::of(("[a-z]{0,3}", value))
            .prop_map(|entry| {
                Value::Map(
                    entry
                        .into_iter()
                        .map(|(key, value)| (MapKey::String(key), value))
                        .collect::<HashMap<_, _>>(),
                )
            })
            .boxed();
    }
    let single = any_single(&field.kind(), levels);
    if field.is_list() { prop::collection::vec(single, 0..4).prop_map(Value::List).boxed() } else { single }
}

fn any_single(kind: &Kind, levels: usize) -> BoxedStrategy<Value> {
    match kind {
        Kind::Double => prop_oneof![any::<f64>(), Just(f64::INFINITY), Just(f64::NAN), Just(-0.0)]
            .prop_map(Value::F64)
            .boxed(),
        Kind::Float => {
            prop_oneof![any::<f32>(), Just(f32::NEG_INFINITY), Just(0.1)].prop_map(Value::F32).boxed()
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            prop_oneof![any::<i32>(), Just(0)].prop_map(Value::I32).boxed()
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            prop_oneof![any::<i64>(), Just(0)].prop_map(Value::I64).boxed()
        }
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => any::<String>().prop_map(Value::String).boxed(),
        Kind::Bytes => any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Kind::Enum(names) => {
            let known: Vec<i32> = names.values().map(|value| value.number()).collect();
            prop_oneof![4 => prop::sample::select(known), 1 => Just(77)].prop_map(Value::EnumNumber).boxed()
        }
        Kind::Message(message) => {
            any_message(message, levels.saturating_sub(1)).prop_map(Value::Message).boxed()
        }
    }
}

fn any_answer() -> impl Strategy<Value = DynamicMessage> {
    let everything = TYPES.len() - 1;
    prop_oneof![0..everything, Just(everything)].prop_flat_map(|number| any_message(&TYPES[number], 3))
}

fn by_reflection(message: &MessageDescriptor, bytes: &[u8]) -> String {
    let mut json = Vec::new();
    reflect(message, bytes, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_write_the_same(message in any_answer()) {
        let (bytes, descriptor) = (message.encode_to_vec(), message.descriptor());
        let plans = Plans::new([descriptor.clone()]);
        let mut json = Vec::new();
        prop_assert_eq!(wire::write(&plans, &descriptor, &bytes, &mut json), Some(()), "not written from the wire");
        prop_assert_eq!(String::from_utf8(json).unwrap(), by_reflection(&descriptor, &bytes));
    }

    #[test]
    fn any_bytes_are_written_alike_or_refused(bytes in any::<Vec<u8>>(), number in 0..TYPES.len()) {
        let descriptor = &TYPES[number];
        let written = Writer::new([descriptor.clone()]).write(descriptor, &bytes);
        let mut json = Vec::new();
        match (written, reflect(descriptor, &bytes, &mut json)) {
            (Ok(written), Ok(())) => prop_assert_eq!(written, json),
            // Both find it wrong; the wire is read without looking into what is skipped.
            (Err(_), Err(_)) | (Ok(_), Err(_)) => {}
            (Err(status), Ok(())) => prop_assert!(false, "{status}"),
        }
    }
}

#[test]
fn what_no_encoder_of_ours_writes_is_decoded() {
    let movie = access::pool().get_message_by_name("moviebooking.movies.v1.Movie").unwrap();
    let text = |number: u8, text: &str| [&[number << 3 | 2, text.len() as u8], text.as_bytes()].concat();
    let writer = Writer::new([movie.clone()]);
    for bytes in [
        [text(2, "title"), text(1, "id")].concat(),
        [text(1, "first"), text(1, "last")].concat(),
        [text(4, "Drama"), text(5, "PG"), text(4, "Comedy")].concat(),
    ] {
        assert_eq!(wire::write(&writer.plans, &movie, &bytes, &mut Vec::new()), None);
        assert_eq!(
            String::from_utf8(writer.write(&movie, &bytes).unwrap()).unwrap(),
            by_reflection(&movie, &bytes)
        );
    }
}

#[test]
fn unknown_fields_are_skipped() {
    let key = access::pool().get_message_by_name("moviebooking.tickets.v1.TicketKey").unwrap();
    let bytes = [8, 7, 0xf8, 0x3f, 1, 0xfa, 0x3f, 2, b'a', b'b', 0xfd, 0x3f, 1, 2, 3, 4];
    let json = Writer::new([key.clone()]).write(&key, &bytes).unwrap();
    assert_eq!(String::from_utf8(json).unwrap(), r#"{"id":7,"publicKey":""}"#);
}

#[test]
fn a_varint_is_found_in_a_message() {
    assert_eq!(wire::varint(&[10, 1, b'x', 16, 0x96, 1], 2), Some(150));
    assert_eq!(wire::varint(&[10, 1, b'x'], 2), None);
    assert_eq!(wire::varint(&[16], 2), None);
}
