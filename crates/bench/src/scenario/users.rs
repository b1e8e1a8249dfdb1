//! One's own profile.

use std::cell::Cell;

use http::Method;

use crate::{
    Plan,
    connection::{Connection, Protocol, rest},
    report::Report,
    world::World,
};

use super::{ending, measure};

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    world.buyers().await?;
    let buyers = world.signed_in();
    let turn = Cell::new(0);
    for clients in plan.pick(vec![1, 8, 32, 64], vec![8]) {
        let address = world.address(Protocol::Rest, "users");
        let mut connections = Connection::several(address, Protocol::Rest, clients).await?;
        let work = async |connection: &mut Connection| {
            let buyer = &buyers[turn.replace(turn.get() + 1) % buyers.len()];
            let path = format!("/users/{}", buyer.id);
            let request = rest(Method::GET, &path, Some(&buyer.authorization), None, None)?;
            ending(connection.send(request).await?)
        };
        let (row, _) = measure(world, plan, "REST at the gateway", &mut connections, &work).await?;
        report.row(&row);
    }
    Ok(())
}
