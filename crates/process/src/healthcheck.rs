//! Asking a running process whether it is ready, for a container without a shell and curl.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use moviebooking_serve::StartError;

/// What each part of the answer may take.
const BOUND: Duration = Duration::from_secs(3);

/// Asks the process that listens at `address` without TLS.
///
/// # Errors
/// When it does not answer that it is ready (69): what it answered.
pub(crate) fn ask(address: SocketAddr) -> Result<(), StartError> {
    let address = SocketAddr::new(on_this_machine(address.ip()), address.port());
    let answer = answer(address)
        .map_err(|error| StartError::unavailable(format!("nobody answers at {address}: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    let status = head.lines().next().unwrap_or_default();
    Err(StartError::unavailable(format!("not ready ({address}): {status} {body}")))
}

/// Where a process that listens at `ip` is reached from its own machine.
fn on_this_machine(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn answer(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    // In one piece: who answers may have read no more than the first one when it closes the connection.
    stream.write_all(
        format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    // Whoever answers there, it need not be a process of ours.
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// What is said of a process that answers `answer`.
    fn asked(answer: &'static str) -> Result<(), StartError> {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = listener.local_addr().unwrap();
        let process = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let said = ask(address);
        assert!(process.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        said
    }

    #[test]
    fn a_process_is_what_it_says() {
        assert_eq!(asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), Ok(()));
        let error = asked("HTTP/1.1 503 Service Unavailable\r\n\r\nthe database is away").unwrap_err();
        assert_eq!(error.code(), 69);
        assert!(error.to_string().contains("503") && error.to_string().contains("database"), "{error}");
        assert!(asked("nonsense").is_err());
    }

    #[test]
    fn nobody_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = ask(free).unwrap_err();
        assert_eq!(error.code(), 69);
        assert!(error.to_string().contains(&free.to_string()), "{error}");
    }
}
