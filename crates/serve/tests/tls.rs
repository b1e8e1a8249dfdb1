//! TLS as clients meet it, with certificates made here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use axum::{Router, routing::get};
use moviebooking_serve::{
    self as serve, ConnectOptions, Health, Link, Server,
    tls::{TlsArgs, UpstreamTlsArgs},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use reqwest::{Certificate, Client, Version};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// What must happen, happens within this; files are looked at every two seconds.
const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    upstream: UpstreamTlsArgs,
}

fn args(given: &[&str]) -> Args {
    match serve::try_parse_from([&["test"], given].concat()) {
        serve::ParseOutcome::Parsed(args) => args,
        other => panic!("{other:?}"),
    }
}

/// A certificate authority of this test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        serve::install_crypto_provider();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this machine, good for either side, and its key.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A client that trusts this authority alone.
    fn client(&self) -> Client {
        let roots = [Certificate::from_pem(self.0.pem().as_bytes()).unwrap()];
        Client::builder().tls_certs_only(roots).build().unwrap()
    }
}

/// A folder of files in PEM.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        shown(&self.path(name))
    }

    /// Writes a pair of `authority`; the names of its files.
    fn pair(&self, authority: &Authority) -> (String, String) {
        let (cert, key) = authority.issue();
        (self.write("cert.pem", &cert), self.write("key.pem", &key))
    }
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A server with `given` flags.
async fn served(given: &[&str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = args(given).tls.server(address).await.unwrap();
    let health = Health::new(&[]).await.add_grpc(Routes::default()).into_axum_router();
    let router = Router::new().route("/", get(async || "secret")).merge(health);
    tokio::spawn(Server::new(router).with_tls(tls).run(listener, CancellationToken::new()));
    address
}

/// Asks for health at `address` over a link with `given` flags.
async fn ask(link: &Link) -> Result<(), Code> {
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(link.clone()).check(request).await.map(drop).map_err(|status| status.code())
}

async fn link(address: SocketAddr, given: &[&str]) -> Link {
    let tls = args(given).upstream.client().await.unwrap();
    Link::connect(&format!("https://{address}"), &ConnectOptions { tls, ..Default::default() }).unwrap()
}

#[tokio::test]
async fn both_protocols_are_agreed_upon_within_tls_and_strangers_are_not_trusted() {
    let (authority, files) = (Authority::new(), Files::new());
    let (cert, key) = files.pair(&authority);
    let address = served(&["--tls-cert", &cert, "--tls-key", &key]).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", address.port());
        let response = authority.client().get(&url).send().await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.text().await.unwrap(), "secret");
    }
    let roots = [Certificate::from_pem(authority.0.pem().as_bytes()).unwrap()];
    let http1 = Client::builder().tls_certs_only(roots).http1_only().build().unwrap();
    let response = http1.get(format!("https://{address}/")).send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
    assert!(Authority::new().client().get(format!("https://{address}/")).send().await.is_err());
    assert!(reqwest::get(format!("http://{address}/")).await.is_err(), "plain text was answered");
}

#[tokio::test]
async fn links_verify_services_by_the_authority_they_are_given() {
    let (authority, files) = (Authority::new(), Files::new());
    let (cert, key) = files.pair(&authority);
    let address = served(&["--tls-cert", &cert, "--tls-key", &key]).await;
    let ca = files.write("ca.pem", &authority.0.pem());
    assert_eq!(ask(&link(address, &["--upstream-ca", &ca]).await).await, Ok(()));
    let other = files.write("other.pem", &Authority::new().0.pem());
    assert_eq!(ask(&link(address, &["--upstream-ca", &other]).await).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused_where_one_is_asked_for() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (files, ours, theirs) = (Files::new(), Files::new(), Files::new());
    let (cert, key) = files.pair(&servers);
    let client_ca = files.write("clients.pem", &clients.0.pem());
    let address = served(&["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &client_ca]).await;
    let ca = files.write("servers.pem", &servers.0.pem());

    let (cert, key) = ours.pair(&clients);
    let known = ["--upstream-ca", &ca, "--upstream-cert", &cert, "--upstream-key", &key];
    assert_eq!(ask(&link(address, &known).await).await, Ok(()));

    assert_eq!(ask(&link(address, &["--upstream-ca", &ca]).await).await, Err(Code::Unavailable));
    assert!(servers.client().get(format!("https://{address}/")).send().await.is_err());

    let (cert, key) = theirs.pair(&Authority::new());
    let stranger = ["--upstream-ca", &ca, "--upstream-cert", &cert, "--upstream-key", &key];
    assert_eq!(ask(&link(address, &stranger).await).await, Err(Code::Unavailable));
}

/// Waits until `url` is answered to a client that trusts `authority` alone.
async fn until_trusted(authority: &Authority, url: &str) {
    let deadline = Instant::now() + SOON;
    // A client of its own each time: an open connection goes on with the certificate it began with.
    while let Err(error) = authority.client().get(url).send().await {
        assert!(Instant::now() < deadline, "{error}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_and_open_connections_live_on() {
    let (old, new, files) = (Authority::new(), Authority::new(), Files::new());
    let (cert, key) = files.pair(&old);
    let address = served(&["--tls-cert", &cert, "--tls-key", &key]).await;
    let url = format!("https://{address}/");
    let connected = old.client();
    assert_eq!(connected.get(&url).send().await.unwrap().text().await.unwrap(), "secret");

    files.pair(&new);
    until_trusted(&new, &url).await;
    assert!(old.client().get(&url).send().await.is_err(), "the old certificate is still shown");
    // A new connection would fail, so this is the one from before.
    assert_eq!(connected.get(&url).send().await.unwrap().text().await.unwrap(), "secret");

    // Half of a pair, and nothing at all, change nothing; the next good pair is used.
    let (cert_alone, _) = old.issue();
    files.write("cert.pem", &cert_alone);
    until_trusted(&new, &url).await;
    std::fs::remove_file(files.path("key.pem")).unwrap();
    until_trusted(&new, &url).await;
    files.pair(&old);
    until_trusted(&old, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_client_authorities_are_replaced_while_requests_flow_without_one_failing() {
    let (servers, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let (files, ours) = (Files::new(), Files::new());
    let (cert, key) = files.pair(&servers);
    let client_ca = files.write("clients.pem", &old.0.pem());
    let address = served(&["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &client_ca]).await;
    let ca = ours.write("ca.pem", &servers.0.pem());
    let (cert, key) = ours.pair(&old);
    let flags = ["--upstream-ca", &ca, "--upstream-cert", &cert, "--upstream-key", &key];
    let tls = args(&flags).upstream.client().await.unwrap();
    let options = ConnectOptions { tls, ..Default::default() };
    let strict = Files::new();
    let (cert, key) = strict.pair(&servers);
    let client_ca = strict.write("clients.pem", &new.0.pem());
    let strict = served(&["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &client_ca]).await;
    let (answered, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    // Each asks over one connection, and over a new one each time.
    let clients: Vec<_> = [true, false]
        .into_iter()
        .map(|kept| {
            let (answered, stop, options) = (Arc::clone(&answered), stop.clone(), options.clone());
            tokio::spawn(async move {
                let connect = || Link::connect(&format!("https://{address}"), &options).unwrap();
                let link = connect();
                while !stop.is_cancelled() {
                    ask(&if kept { link.clone() } else { connect() }).await.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let flows = async || {
        let (before, deadline) = (answered.load(Ordering::Relaxed), Instant::now() + SOON);
        while answered.load(Ordering::Relaxed) < before + 50 {
            assert!(Instant::now() < deadline && clients.iter().all(|client| !client.is_finished()));
            tokio::task::yield_now().await;
        }
    };
    // Whether the server lets in who has a certificate of this authority.
    let knows = async |authority: &Authority| {
        let theirs = Files::new();
        let (cert, key) = theirs.pair(authority);
        let flags = ["--upstream-ca", &ca, "--upstream-cert", &cert, "--upstream-key", &key];
        ask(&link(address, &flags).await).await.is_ok()
    };
    let until = async |knows_new: bool, knows_old: bool| {
        let deadline = Instant::now() + SOON;
        while knows(&new).await != knows_new || knows(&old).await != knows_old {
            assert!(Instant::now() < deadline, "the client authorities are not read again");
        }
    };
    flows().await;
    // Both authorities, then the clients' new certificate with the server's own, then the old authority goes.
    files.write("clients.pem", &format!("{}{}", old.0.pem(), new.0.pem()));
    until(true, true).await;
    ours.pair(&new);
    files.pair(&servers);
    let (at_strict, deadline) = (format!("https://{strict}"), Instant::now() + SOON);
    while ask(&Link::connect(&at_strict, &options).unwrap()).await.is_err() {
        assert!(Instant::now() < deadline, "the clients' certificate is not read again");
    }
    flows().await;
    files.write("clients.pem", &new.0.pem());
    until(true, false).await;
    flows().await;
    stop.cancel();
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_link_takes_a_new_authority_and_certificate_when_it_connects_again() {
    let (servers, clients, files, ours) = (Authority::new(), Authority::new(), Files::new(), Files::new());
    let (cert, key) = files.pair(&servers);
    let client_ca = files.write("clients.pem", &clients.0.pem());
    let address = served(&["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &client_ca]).await;
    // Both wrong at first.
    let ca = ours.write("ca.pem", &Authority::new().0.pem());
    let (cert, key) = ours.pair(&Authority::new());
    let link = link(address, &["--upstream-ca", &ca, "--upstream-cert", &cert, "--upstream-key", &key]).await;
    assert_eq!(ask(&link).await, Err(Code::Unavailable));
    ours.write("ca.pem", &servers.0.pem());
    ours.pair(&clients);
    let deadline = Instant::now() + SOON;
    while let Err(code) = ask(&link).await {
        assert_eq!(code, Code::Unavailable);
        assert!(Instant::now() < deadline, "still refused");
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_in_one_line() {
    let (authority, files) = (Authority::new(), Files::new());
    let (cert, key) = files.pair(&authority);
    let (_, other) = authority.issue();
    let other = files.write("other.pem", &other);
    let nonsense = files.write("nonsense.pem", "no certificate");
    let missing = shown(&files.path("missing.pem"));
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    for (given, parts) in [
        (vec!["--tls-cert", &missing, "--tls-key", &key], vec!["--tls-cert", &missing, "cannot read"]),
        (vec!["--tls-cert", &cert, "--tls-key", &missing], vec!["--tls-key", &missing, "cannot read"]),
        (vec!["--tls-cert", &cert, "--tls-key", &other], vec!["--tls-key", &other, &cert, "belong"]),
        (vec!["--tls-cert", &nonsense, "--tls-key", &key], vec!["--tls-cert", &nonsense, "PEM"]),
        (vec!["--tls-cert", &cert, "--tls-key", &nonsense], vec!["--tls-key", &nonsense, "PEM"]),
        (
            vec!["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &nonsense],
            vec!["--tls-client-ca", &nonsense, "PEM"],
        ),
    ] {
        let error = args(&given).tls.server(loopback).await.unwrap_err();
        let text = error.to_string();
        assert_eq!((error.code(), text.lines().count()), (78, 1), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    let upstream = args(&["--upstream-ca", &cert, "--upstream-cert", &cert, "--upstream-key", &other]);
    let error = upstream.upstream.client().await.unwrap_err();
    assert!(error.code() == 78 && error.to_string().contains("--upstream-key"), "{error}");
}

#[tokio::test]
async fn plain_text_to_other_machines_must_be_asked_for() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 4001));
    let error = args(&[]).tls.server(everywhere).await.unwrap_err();
    assert_eq!(error.code(), 64);
    assert!(error.to_string().contains("--tls-cert") && error.to_string().contains("--plaintext"), "{error}");
    assert!(args(&["--plaintext"]).tls.server(everywhere).await.unwrap().is_none());
    assert!(args(&[]).tls.server(([127, 0, 0, 1], 4001).into()).await.unwrap().is_none());
    let half = serve::try_parse_from::<Args, _>(["test", "--tls-cert", "cert.pem"]);
    assert!(
        matches!(&half, serve::ParseOutcome::Refused(error) if error.to_string().contains("--tls-key")),
        "{half:?}"
    );
}
