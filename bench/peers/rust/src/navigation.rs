//! The reference schema as serde structs. `S` is the string (`&str` borrows from the message), `B` the bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_bytes::ByteArray;

/// A map as a list of pairs: faster than any hash map at these sizes.
pub struct Pairs<S, V>(pub Vec<(S, V)>);

impl<'de, S: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<S, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<S, V>(PhantomData<(S, V)>);
        impl<'de, S: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<S, V> {
            type Value = Pairs<S, V>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

#[allow(non_camel_case_types)]
#[derive(Deserialize, Clone, Copy)]
pub enum EventKind {
    PAGE_VIEW,
    CLICK,
    ADD_TO_CART,
    PURCHASE,
    SEARCH,
    CUSTOM,
}

#[allow(clippy::upper_case_acronyms)]
#[derive(Deserialize, Clone, Copy)]
pub enum Consent {
    UNKNOWN,
    GRANTED,
    DENIED,
}

// The branches of the unions, in their order and by their names: apache-avro goes by the index, serde_avro_fast by the
// name.
#[derive(Deserialize)]
pub enum Attribute<S> {
    Null,
    Boolean(bool),
    Long(i64),
    Double(f64),
    String(S),
}

#[derive(Deserialize)]
pub enum Custom<S> {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    String(S),
    Array(Vec<S>),
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub struct Page<S> {
    pub url: S,
    pub title: Option<S>,
    pub referrer: Option<S>,
    pub query: Pairs<S, S>,
}

#[derive(Deserialize)]
pub struct Size {
    pub width: i32,
    pub height: i32,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub struct Device<S> {
    pub user_agent: S,
    pub ip: ByteArray<16>,
    pub screen: Option<Size>,
    pub viewport: Option<Size>,
    pub languages: Vec<S>,
}

#[derive(Deserialize)]
pub struct Geo<S> {
    pub country: S,
    pub city: Option<S>,
    pub lat: f64,
    pub lon: f64,
    pub accuracy: Option<f32>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>, B: Deserialize<'de>"))]
pub struct Product<S, B> {
    pub sku: S,
    pub name: Option<S>,
    pub price: B,
    pub quantity: i32,
    pub categories: Vec<S>,
    pub attributes: Pairs<S, Attribute<S>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub struct Campaign<S> {
    pub source: S,
    pub medium: Option<S>,
    pub name: Option<S>,
    pub landing: Option<Page<S>>,
}

#[derive(Deserialize)]
pub struct SessionInfo<S> {
    pub id: S,
    pub sequence: i32,
    pub is_new: bool,
    pub started: i64,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>, B: Deserialize<'de>"))]
pub struct Navigation<S, B> {
    pub event_id: S,
    pub event_time: i64,
    pub received_time: i64,
    pub partner_id: i32,
    pub visitor_id: S,
    pub kind: EventKind,
    pub page: Page<S>,
    pub device: Device<S>,
    pub geo: Option<Geo<S>>,
    pub consents: Pairs<S, Consent>,
    pub products: Vec<Product<S, B>>,
    pub campaign: Option<Campaign<S>>,
    pub custom: Pairs<S, Custom<S>>,
    pub session: SessionInfo<S>,
    pub tags: Vec<S>,
}
