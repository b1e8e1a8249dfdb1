//! Over gRPC-Web in binary mode, as browsers speak it: each answer has its messages and then its trailers in the body.

use moviebooking_proto::{payments::v1::Payment, reservations::v1::Reservation};
use moviebooking_tests::Load;
use prost::Message;
use reqwest::{Client, header::CONTENT_TYPE};

use super::{
    Buyer, Buyers,
    grpc::{charge, hold},
    paced, told,
};

const MEDIA_TYPE: &str = "application/grpc-web+proto";
/// The first byte of what is no message but trailers.
const TRAILERS: u8 = 0x80;

/// Somebody who holds a seat and pays.
pub(super) fn buys(load: &mut Load, buyers: Buyers) {
    let client = Client::new();
    load.client(move |number| {
        let (client, buyer) = (client.clone(), buyers.buyer(number));
        paced("over gRPC-Web", async move {
            let hold = hold(buyer.showtime.clone());
            let held: Reservation =
                call(&client, &buyer, "reservations.v1.ReservationsService/CreateReservation", &hold).await?;
            let charge = charge(held.id, held.total);
            let paid: Payment = call(&client, &buyer, "payments.v1.PaymentsService/Charge", &charge).await?;
            if paid.ticket_ids.is_empty() { Err(format!("no ticket: {paid:?}")) } else { Ok(()) }
        })
    });
}

async fn call<T: Message + Default>(
    client: &Client,
    buyer: &Buyer,
    method: &str,
    message: &impl Message,
) -> Result<T, String> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).map_err(|error| error.to_string())?;
    let body = [&[0], &length.to_be_bytes()[..], &message].concat();
    let request = client
        .post(format!("{}/moviebooking.{method}", buyer.base))
        .bearer_auth(&buyer.token)
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .body(body);
    let answer = request.send().await.map_err(|error| told(&error))?;
    let status = answer.status();
    if !status.is_success() || answer.headers().contains_key("grpc-status") {
        return Err(format!("{status}: {:?}", answer.headers()));
    }
    let body = answer.bytes().await.map_err(|error| told(&error))?;
    let mut frames = Frames(&body);
    let (mut found, mut trailers) = (None, String::new());
    while let Some((kind, frame)) = frames.next().transpose()? {
        match kind {
            TRAILERS => trailers = String::from_utf8_lossy(frame).into_owned(),
            _ => found = Some(T::decode(frame).map_err(|error| error.to_string())?),
        }
    }
    let is_ok = trailers.lines().any(|line| line.replace(' ', "") == "grpc-status:0");
    found.filter(|_| is_ok).ok_or_else(|| format!("{method}: {trailers:?}"))
}

/// The frames of a body: a byte that says of what kind it is, four with its length, and that many bytes.
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = Result<(u8, &'a [u8]), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first()?;
        let frame = rest.split_first_chunk::<4>().and_then(|(length, rest)| {
            rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
        });
        Some(match frame {
            Some((frame, rest)) => {
                self.0 = rest;
                Ok((*kind, frame))
            }
            None => {
                self.0 = &[];
                Err("the answer is cut off".to_owned())
            }
        })
    }
}
