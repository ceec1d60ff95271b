//! The checksum of bench/avro/README.md, over the structs and over apache-avro's values.

use apache_avro::types::Value;

use crate::navigation::*;

fn fnv1a(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[derive(Default)]
pub struct Sum(pub u64);

impl Sum {
    pub fn bytes(&mut self, name: &str, value: &[u8]) {
        let weighted = fnv1a(value).wrapping_mul(fnv1a(name.as_bytes()) | 1);
        self.0 = self.0.wrapping_add(weighted);
    }
    fn text<S: AsRef<str>>(&mut self, name: &str, value: &S) {
        self.bytes(name, value.as_ref().as_bytes());
    }
    fn integer(&mut self, name: &str, value: i64) {
        self.bytes(name, &value.to_le_bytes());
    }
    fn real(&mut self, name: &str, value: f64) {
        self.bytes(name, &value.to_le_bytes());
    }
    fn optional<S: AsRef<str>>(&mut self, name: &str, value: &Option<S>) {
        if let Some(text) = value {
            self.text(name, text);
        }
    }
    fn list<S: AsRef<str>>(&mut self, name: &str, values: &[S]) {
        for value in values {
            self.text(name, value);
        }
    }

    fn page<S: AsRef<str>>(&mut self, page: &Page<S>) {
        self.text("url", &page.url);
        self.optional("title", &page.title);
        self.optional("referrer", &page.referrer);
        for (key, value) in &page.query.0 {
            self.text("query", key);
            self.text(key.as_ref(), value);
        }
    }
    fn size(&mut self, size: &Option<Size>) {
        if let Some(size) = size {
            self.integer("width", size.width.into());
            self.integer("height", size.height.into());
        }
    }
    fn product<S: AsRef<str>, B: AsRef<[u8]>>(&mut self, product: &Product<S, B>) {
        self.text("sku", &product.sku);
        self.optional("name", &product.name);
        self.integer("price", big_endian(product.price.as_ref()));
        self.integer("quantity", product.quantity.into());
        self.list("categories", &product.categories);
        for (key, value) in &product.attributes.0 {
            self.text("attributes", key);
            let key = key.as_ref();
            match value {
                Attribute::Null => {}
                Attribute::Boolean(v) => self.integer(key, (*v).into()),
                Attribute::Long(v) => self.integer(key, *v),
                Attribute::Double(v) => self.real(key, *v),
                Attribute::String(v) => self.text(key, v),
            }
        }
    }
    fn custom<S: AsRef<str>>(&mut self, key: &str, value: &Custom<S>) {
        match value {
            Custom::Null => {}
            Custom::Boolean(v) => self.integer(key, (*v).into()),
            Custom::Int(v) => self.integer(key, (*v).into()),
            Custom::Long(v) => self.integer(key, *v),
            Custom::Double(v) => self.real(key, *v),
            Custom::String(v) => self.text(key, v),
            Custom::Array(v) => self.list(key, v),
        }
    }

    pub fn navigation<S: AsRef<str>, B: AsRef<[u8]>>(&mut self, nav: &Navigation<S, B>) {
        self.text("event_id", &nav.event_id);
        self.integer("event_time", nav.event_time);
        self.integer("received_time", nav.received_time);
        self.integer("partner_id", nav.partner_id.into());
        self.text("visitor_id", &nav.visitor_id);
        let kind = match nav.kind {
            EventKind::PAGE_VIEW => "PAGE_VIEW",
            EventKind::CLICK => "CLICK",
            EventKind::ADD_TO_CART => "ADD_TO_CART",
            EventKind::PURCHASE => "PURCHASE",
            EventKind::SEARCH => "SEARCH",
            EventKind::CUSTOM => "CUSTOM",
        };
        self.text("kind", &kind);
        self.page(&nav.page);
        self.text("user_agent", &nav.device.user_agent);
        self.bytes("ip", nav.device.ip.as_ref());
        self.size(&nav.device.screen);
        self.size(&nav.device.viewport);
        self.list("languages", &nav.device.languages);
        if let Some(geo) = &nav.geo {
            self.text("country", &geo.country);
            self.optional("city", &geo.city);
            self.real("lat", geo.lat);
            self.real("lon", geo.lon);
            if let Some(accuracy) = geo.accuracy {
                self.real("accuracy", accuracy.into());
            }
        }
        for (key, value) in &nav.consents.0 {
            self.text("consents", key);
            let symbol = match value {
                Consent::UNKNOWN => "UNKNOWN",
                Consent::GRANTED => "GRANTED",
                Consent::DENIED => "DENIED",
            };
            self.text(key.as_ref(), &symbol);
        }
        for product in &nav.products {
            self.product(product);
        }
        if let Some(campaign) = &nav.campaign {
            self.text("source", &campaign.source);
            self.optional("medium", &campaign.medium);
            self.optional("name", &campaign.name);
            if let Some(landing) = &campaign.landing {
                self.page(landing);
            }
        }
        for (key, value) in &nav.custom.0 {
            self.text("custom", key);
            self.custom(key.as_ref(), value);
        }
        self.text("id", &nav.session.id);
        self.integer("sequence", nav.session.sequence.into());
        self.integer("is_new", nav.session.is_new.into());
        self.integer("started", nav.session.started);
        self.list("tags", &nav.tags);
    }

    pub fn value(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Boolean(v) => self.integer(name, (*v).into()),
            Value::Int(v) => self.integer(name, (*v).into()),
            Value::Long(v) | Value::TimestampMillis(v) | Value::TimestampMicros(v) => {
                self.integer(name, *v)
            }
            Value::Float(v) => self.real(name, (*v).into()),
            Value::Double(v) => self.real(name, *v),
            Value::String(v) | Value::Enum(_, v) => self.text(name, v),
            Value::Bytes(v) | Value::Fixed(_, v) => self.bytes(name, v),
            Value::Uuid(v) => self.text(name, &v.to_string()),
            Value::Decimal(v) => {
                let unscaled = Vec::<u8>::try_from(v).expect("the decimal has bytes");
                self.integer(name, big_endian(&unscaled));
            }
            Value::Union(_, inner) => self.value(name, inner),
            Value::Array(items) => items.iter().for_each(|item| self.value(name, item)),
            Value::Map(entries) => {
                for (key, inner) in entries {
                    self.text(name, key);
                    self.value(key, inner);
                }
            }
            Value::Record(fields) => {
                for (field, inner) in fields {
                    self.value(field, inner);
                }
            }
            other => panic!("the reference schema has no {other:?}"),
        }
    }
}

fn big_endian(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |value, byte| (value << 8) | i64::from(*byte))
}
