//! Prints the OpenAPI document of the REST API, which is committed as `openapi.json`.

use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    let document = moviebooking_gateway::openapi_document()?;
    std::io::stdout().write_all(document.as_bytes())?;
    Ok(())
}
