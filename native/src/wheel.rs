//! Deadlines of requests, in ticks. Requests nearly always finish before their deadline, so starting and stopping
//! one costs a few stores and no allocation; one scan of a bucket per tick finds what is due.

const BUCKETS: usize = 512;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Node {
    due: u64,
    next: u32,
    /// The node before, or NONE for the first of its bucket.
    previous: u32,
    armed: bool,
}

/// Deadlines are named by small indexes that the caller chooses (its slots). A deadline further away than one
/// turn of the wheel stays in its bucket for several turns.
pub struct Wheel {
    now: u64,
    armed: usize,
    buckets: [u32; BUCKETS],
    nodes: Vec<Node>,
}

impl Wheel {
    pub fn new() -> Self {
        Wheel {
            now: 0,
            armed: 0,
            buckets: [NONE; BUCKETS],
            nodes: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Fires `index` at the first `advance` to `due` or later, at the earliest at the next tick. Replaces a
    /// deadline that `index` has.
    pub fn start(&mut self, index: u32, due: u64) {
        if self.nodes.len() <= index as usize {
            let unused = Node {
                due: 0,
                next: NONE,
                previous: NONE,
                armed: false,
            };
            self.nodes.resize(index as usize + 1, unused);
        }
        self.stop(index);
        let due = due.max(self.now + 1);
        let bucket = due as usize % BUCKETS;
        let first = self.buckets[bucket];
        self.nodes[index as usize] = Node {
            due,
            next: first,
            previous: NONE,
            armed: true,
        };
        if first != NONE {
            self.nodes[first as usize].previous = index;
        }
        self.buckets[bucket] = index;
        self.armed += 1;
    }

    /// No-op for an index without a deadline.
    pub fn stop(&mut self, index: u32) {
        let Some(&node) = self.nodes.get(index as usize).filter(|node| node.armed) else {
            return;
        };
        match node.previous {
            NONE => self.buckets[node.due as usize % BUCKETS] = node.next,
            previous => self.nodes[previous as usize].next = node.next,
        }
        if node.next != NONE {
            self.nodes[node.next as usize].previous = node.previous;
        }
        self.nodes[index as usize].armed = false;
        self.armed -= 1;
    }

    /// Moves the time forward and calls `fire` for every deadline that passed. Time never goes back.
    pub fn advance(&mut self, now: u64, mut fire: impl FnMut(u32)) {
        // After a long pause every bucket is visited once, not once per missed tick.
        let first = (self.now + 1).max(now.saturating_sub(BUCKETS as u64 - 1));
        self.now = self.now.max(now);
        for tick in first..=now {
            let mut index = self.buckets[tick as usize % BUCKETS];
            while index != NONE {
                let node = self.nodes[index as usize];
                if node.due <= now {
                    self.stop(index);
                    fire(index);
                }
                index = node.next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Wheel, BUCKETS};

    fn fired(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut all = Vec::new();
        wheel.advance(now, |index| all.push(index));
        all.sort_unstable();
        all
    }

    #[test]
    fn fires_at_the_deadline_and_not_before() {
        let mut wheel = Wheel::new();
        wheel.start(7, 3);
        assert!(fired(&mut wheel, 2).is_empty());
        assert_eq!(fired(&mut wheel, 3), [7]);
        assert!(wheel.is_empty());
        assert!(fired(&mut wheel, 100).is_empty());
    }

    #[test]
    fn a_stopped_deadline_never_fires_and_its_neighbours_do() {
        let mut wheel = Wheel::new();
        for index in 0..5 {
            wheel.start(index, 10);
        }
        for index in [0, 2, 4] {
            wheel.stop(index);
            wheel.stop(index);
        }
        assert_eq!(fired(&mut wheel, 10), [1, 3]);
    }

    #[test]
    fn a_deadline_beyond_one_turn_of_the_wheel_waits_its_turns() {
        let mut wheel = Wheel::new();
        let far = 3 * BUCKETS as u64 + 5;
        wheel.start(1, far);
        wheel.start(2, 5);
        assert_eq!(fired(&mut wheel, 5), [2]);
        assert!(fired(&mut wheel, far - 1).is_empty());
        assert_eq!(fired(&mut wheel, far), [1]);
    }

    #[test]
    fn a_long_pause_fires_every_expired_deadline() {
        let mut wheel = Wheel::new();
        for index in 0..1000 {
            wheel.start(index, u64::from(index) + 1);
        }
        assert_eq!(fired(&mut wheel, 900), (0..900).collect::<Vec<_>>());
        assert_eq!(fired(&mut wheel, 1000), (900..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_tick() {
        let mut wheel = Wheel::new();
        assert!(fired(&mut wheel, 50).is_empty());
        wheel.start(0, 10);
        assert_eq!(fired(&mut wheel, 51), [0]);
    }

    #[test]
    fn agrees_with_a_naive_model() {
        let mut wheel = Wheel::new();
        let mut model = std::collections::BTreeMap::new();
        let mut random = 88172645463325252u64;
        let mut now = 0;
        for _ in 0..100_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let index = (random >> 8) as u32 % 200;
            match random % 4 {
                0 | 1 => {
                    let due = now + (random >> 40) % 2000;
                    wheel.start(index, due);
                    model.insert(index, due.max(now + 1));
                }
                2 => {
                    wheel.stop(index);
                    model.remove(&index);
                }
                _ => {
                    now += (random >> 32) % 7;
                    let due: Vec<u32> =
                        model.iter().filter(|e| *e.1 <= now).map(|e| *e.0).collect();
                    model.retain(|_, at| *at > now);
                    assert_eq!(fired(&mut wheel, now), due);
                }
            }
            assert_eq!(wheel.is_empty(), model.is_empty());
        }
    }
}
