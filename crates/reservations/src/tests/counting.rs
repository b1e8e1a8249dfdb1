//! What is counted of holds that ended by themselves.

use super::{everywhere, world::World};
use crate::metrics::Expiries;

impl World {
    async fn expired(&self, expiries: &Expiries) -> u64 {
        expiries.count(&self.service.db, self.service.clock.now()).await.unwrap()
    }
}

everywhere! {
    async fn a_hold_that_nobody_bought_or_gave_back_is_counted_once(world: World) {
        let expiries = Expiries::from_now(&*world.service.clock);
        let buyer = world.buyer();
        world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        let bought = world.hold(&buyer, &["B1", "B2"]).await.unwrap();
        world.confirm(&bought.id, world.payment()).await.unwrap();
        let given_back = world.hold(&buyer, &["C1", "C2"]).await.unwrap();
        world.release(&buyer, &given_back.id).await.unwrap();
        world.later(11);
        // Somebody else takes the seats: the hold ended all the same.
        world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        assert_eq!(world.expired(&expiries).await, 0, "it could have been extended until half an hour has passed");
        world.later(21);
        assert_eq!(world.expired(&expiries).await, 1, "the first hold");
        assert_eq!(world.expired(&expiries).await, 0);
        world.later(11);
        assert_eq!(world.expired(&expiries).await, 1, "the second hold of the same seats");
    }
}
