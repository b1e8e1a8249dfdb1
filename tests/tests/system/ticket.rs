//! A ticket as its holder and the door see it: read with the programs that others use, and verified without ours.

use std::{path::Path, process::Command};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use moviebooking_tests::{Rest, System};
use serde_json::Value;

use crate::booking::buy;

/// Runs a program of the machine and gives what it printed.
fn run(program: &str, args: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(args).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test --install"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn bought(system: &System) -> (Rest, Value) {
    let customer = system.new_customer().await;
    let payment = buy(&customer, &system.showtime().await).await;
    let ticket = customer.get(&format!("/tickets/{}", payment["ticketIds"][0].as_str().unwrap())).await.ok();
    (customer, ticket)
}

#[tokio::test]
async fn a_scanner_reads_the_qr_picture_and_verifies_it_offline() {
    let system = crate::system();
    let (customer, ticket) = bought(system).await;
    let picture = customer.get(&format!("/tickets/{}/qr", ticket["id"].as_str().unwrap())).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("qr.svg"), picture.bytes).unwrap();
    run("rsvg-convert", &["--zoom", "4", "-b", "white", "-o", "qr.png", "qr.svg"], folder.path());
    let code = run("zbarimg", &["--raw", "-q", "qr.png"], folder.path());
    let code = code.trim();
    assert_eq!(ticket["code"], code);

    // From here on with the format's documentation and the public keys alone.
    let keys = system.rest().get("/tickets/keys").await.ok();
    let bytes = BASE32_NOPAD.decode(code.strip_prefix("MBT1.").unwrap().as_bytes()).unwrap();
    let (payload, signature) = bytes.split_at(bytes.len() - 64);
    let id = u16::from_be_bytes([payload[0], payload[1]]);
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap();
    let key = URL_SAFE_NO_PAD.decode(key["publicKey"].as_str().unwrap()).unwrap();
    let verify = |payload: &[u8]| {
        let signed = [b"moviebooking ticket code 1\0", payload].concat();
        UnparsedPublicKey::new(&ED25519, &key).verify(&signed, signature).is_ok()
    };
    assert!(verify(payload));
    assert_eq!(ticket["seat"], str::from_utf8(&payload[42..]).unwrap());
    let mut other_seat = payload.to_vec();
    other_seat[42] ^= 1;
    assert!(!verify(&other_seat), "a changed seat is noticed");
}

#[tokio::test]
async fn the_pdf_says_when_and_where_in_the_theaters_time() {
    let system = crate::system();
    let (customer, ticket) = bought(system).await;
    let pdf = customer.get(&format!("/tickets/{}/pdf", ticket["id"].as_str().unwrap())).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ticket.pdf"), pdf.bytes).unwrap();
    let text = run("pdftotext", &["-layout", "ticket.pdf", "-"], folder.path());
    let start: Timestamp = ticket["startTime"].as_str().unwrap().parse().unwrap();
    let start = start.in_tz("Europe/Berlin").unwrap();
    let (seat, hall) = (ticket["seat"].as_str().unwrap(), ticket["hallName"].as_str().unwrap());
    for expected in [&start.strftime("%H:%M").to_string(), &start.strftime("UTC%:z").to_string(), seat, hall]
    {
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
}
