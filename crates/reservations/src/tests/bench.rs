use super::world::{World, create, named};
use moviebooking_domain::id::ShowtimeId;
use std::{collections::HashMap, sync::Arc, time::Instant};

async fn bench(mut world: World, what: &str, showtimes: usize, clients: usize, seconds: u64) {
    let ids = world.many(showtimes);
    world.database.db().ping().await.unwrap();
    let start = Instant::now();
    let mut tasks = Vec::new();
    for c in 0..clients {
        let service = world.service.clone();
        let ids = ids.clone();
        let callers: Vec<_> = (0..200).map(|_| world.buyer()).collect();
        tasks.push(tokio::spawn(async move {
            let (mut ok, mut no) = (0u64, 0u64);
            let mut reasons: HashMap<String, u64> = HashMap::new();
            let mut x = 88172645463325252u64 ^ (c as u64 + 1).wrapping_mul(0x9E3779B97F4A7C15);
            while start.elapsed().as_secs() < seconds {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                let id = ids[(x % ids.len() as u64) as usize];
                let row = ["A", "B"][((x >> 20) % 2) as usize];
                let first = [1, 4, 7][((x >> 30) % 3) as usize];
                let seats = [0, 1, 2].map(|i| format!("{row}{}", first + i));
                let seats = seats.each_ref().map(String::as_str);
                let caller = &callers[((x >> 40) % 200) as usize];
                match create(&service, caller, named(id, &seats)).await {
                    Ok(_) => ok += 1,
                    Err(e) => {
                        no += 1;
                        *reasons.entry(e.message().chars().take(30).collect()).or_default() += 1;
                    }
                }
            }
            (ok, no, reasons)
        }));
    }
    let (mut ok, mut no) = (0, 0);
    let mut all: HashMap<String, u64> = HashMap::new();
    for t in tasks {
        let (a, b, r) = t.await.unwrap();
        ok += a;
        no += b;
        for (k, v) in r {
            *all.entry(k.chars().rev().take(20).collect::<String>().chars().rev().collect()).or_default() +=
                v;
        }
    }
    let s = start.elapsed().as_secs_f64();
    eprintln!(
        "{what} showtimes={showtimes} clients={clients}: {:.0} holds/s, {:.0} refused/s",
        ok as f64 / s,
        no as f64 / s
    );
    let _ = Arc::new(all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore]
async fn bench_all() {
    for clients in [1, 8, 32] {
        bench(World::sqlite().await, "sqlite", 20000, clients, 4).await;
        bench(World::postgres(true).await, "pg one statement", 20000, clients, 4).await;
        bench(World::postgres(false).await, "pg turns", 20000, clients, 4).await;
    }
    bench(World::postgres(true).await, "pg one statement hot", 1, 64, 1).await;
    let _ = ShowtimeId::from(uuid::Uuid::nil());
}
