//! Asking a platform from outside whether it serves: what `helm test` runs.

use std::time::{Duration, Instant};

use http::Request;
use moviebooking_proto::movies::v1::{ListMoviesRequest, movies_service_client::MoviesServiceClient};
use moviebooking_serve::{ConnectOptions, Link, StartError};
use tonic::body::Body;
use tower::ServiceExt as _;

/// What anybody may ask over REST, and the status of the answer: each service answers one of them itself.
const QUESTIONS: [(&str, u16); 8] = [
    ("/readyz", 200),
    ("/.well-known/jwks.json", 200),
    ("/movies", 200),
    ("/theaters", 200),
    ("/users/me", 401),
    ("/reservations", 401),
    ("/payments", 401),
    ("/tickets", 401),
];

/// What one answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Which platform is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Check {
    /// URL of its gateway, such as `http://cinema-gateway:80`.
    #[arg(value_name = "URL")]
    url: String,
    /// How long it may take until everything is answered as it is to be, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
}

impl Check {
    /// Asks over REST and gRPC until everything is answered as it is to be.
    ///
    /// # Errors
    /// What was answered last instead (69), or that the URL is none (64).
    pub async fn run(&self) -> Result<(), StartError> {
        let link = Link::connect(&self.url, &ConnectOptions::default())
            .map_err(|error| StartError::usage(format!("{}: {error}", self.url)))?
            .with_deadline(DEADLINE);
        let begun = Instant::now();
        while let Err(wrong) = self.ask(&link).await {
            if begun.elapsed() > Duration::from_secs(self.within) {
                return Err(StartError::unavailable(wrong));
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::info!(url = self.url, "the platform answers over REST and gRPC");
        Ok(())
    }

    async fn ask(&self, link: &Link) -> Result<(), String> {
        for (path, wanted) in QUESTIONS {
            let request = Request::get(path).body(Body::empty()).map_err(|error| error.to_string())?;
            let answer =
                link.clone().oneshot(request).await.map_err(|error| format!("GET {path}: {error}"))?;
            // A link tells of a connection that there is not as gRPC does.
            if let Some(status) = tonic::Status::from_header_map(answer.headers()) {
                return Err(format!("{}{path}: {}", self.url, status.message()));
            }
            if answer.status() != wanted {
                return Err(format!("{}{path} is answered with {}, not {wanted}", self.url, answer.status()));
            }
        }
        let mut movies = MoviesServiceClient::new(link.clone());
        let listed = movies.list_movies(ListMoviesRequest::default()).await;
        listed.map(drop).map_err(|status| format!("ListMovies at {}: {status}", self.url))
    }
}
