//! gRPC, with messages that are known only by the descriptor set, so that a test can walk over every RPC.

use std::net::SocketAddr;

use moviebooking_proto::access;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::Value;
use tonic::{
    Code, Request, Status,
    client::Grpc as Client,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};

/// A client of every RPC.
#[derive(Clone)]
pub struct Grpc {
    channel: Channel,
}

impl Grpc {
    /// Connects.
    ///
    /// # Panics
    /// When nobody answers at the address.
    pub async fn connect(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        Self { channel: endpoint.connect().await.expect("a connection") }
    }

    /// What generated clients are made over.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Calls a method with a message in its JSON form and gives the (first) answer back in JSON.
    ///
    /// # Errors
    /// The status that the platform answers.
    ///
    /// # Panics
    /// When the JSON is not of the method's message.
    pub async fn call(
        &self,
        method: &MethodDescriptor,
        body: &Value,
        token: Option<&str>,
    ) -> Result<Value, Status> {
        let message = DynamicMessage::deserialize(method.input(), body).expect("a message of the method");
        let mut request = Request::new(message);
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header value");
            request.metadata_mut().insert("authorization", value);
        }
        let path = access::path(method).parse().expect("a path");
        let mut client = Client::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = DynamicCodec(method.output());
        let answer = if method.is_server_streaming() {
            let mut stream = client.server_streaming(request, path, codec).await?.into_inner();
            stream.message().await?.ok_or_else(|| Status::new(Code::DataLoss, "the stream ended at once"))?
        } else {
            client.unary(request, path, codec).await?.into_inner()
        };
        Ok(serde_json::to_value(answer).expect("a message is JSON"))
    }
}

struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

struct DynamicDecoder(MessageDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
