//! Prepared statements: their description for C++.

use std::ffi::{c_char, CString};
use std::fmt::Write;

use scylla::frame::response::result::{CollectionType, ColumnSpec, ColumnType, NativeType};
use scylla::routing::partitioner::PartitionerName;
use scylla::statement::prepared::PreparedStatement;

/// A column of the metadata, as text for the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: CString,
    pub kind: CString,
}

impl Column {
    pub fn describe(spec: &ColumnSpec) -> Self {
        Column {
            name: text(spec.name()),
            kind: text(&type_text(spec.typ())),
        }
    }
}

/// As C reads it.
#[derive(Debug)]
#[repr(C)]
pub struct CColumn {
    name: *const c_char,
    kind: *const c_char,
}

// SAFETY: points into the heap blocks of the texts beside it.
unsafe impl Send for CColumn {}

/// Columns with their form for C, which stays where it is when this moves.
#[derive(Debug)]
pub struct Columns {
    of: Vec<CColumn>,
    _texts: Vec<Column>,
}

impl Columns {
    pub fn new(texts: Vec<Column>) -> Self {
        let of = texts
            .iter()
            .map(|column| CColumn {
                name: column.name.as_ptr(),
                kind: column.kind.as_ptr(),
            })
            .collect();
        Columns { of, _texts: texts }
    }

    pub fn as_slice(&self) -> &[CColumn] {
        &self.of
    }
}

pub fn text(of: &str) -> CString {
    // CQL names hold no NUL; a server that sends one is cut there.
    CString::new(of.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// What C++ learns of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub id: Vec<u8>,
    pub parameters: Vec<Column>,
    pub columns: Vec<Column>,
    /// Indexes into `parameters`, in the order of the partition key.
    pub partition_key: Vec<u16>,
    pub keyspace: CString,
    pub table: CString,
    pub murmur3: bool,
    pub conditional: bool,
}

impl Description {
    pub fn of(prepared: &PreparedStatement) -> Self {
        let mut key = prepared.get_variable_pk_indexes().to_vec();
        key.sort_by_key(|part| part.sequence);
        let rows = prepared.get_current_result_set_col_specs();
        let parameters = prepared.get_variable_col_specs();
        let table = parameters.iter().chain(rows.get().iter()).next();
        let table = table.map(ColumnSpec::table_spec);
        Description {
            id: prepared.get_id().to_vec(),
            parameters: parameters.iter().map(Column::describe).collect(),
            columns: rows.get().iter().map(Column::describe).collect(),
            partition_key: key.iter().map(|part| part.index).collect(),
            keyspace: text(table.map_or("", |table| table.ks_name())),
            table: text(table.map_or("", |table| table.table_name())),
            murmur3: *prepared.get_partitioner_name() == PartitionerName::Murmur3,
            conditional: prepared.is_confirmed_lwt(),
        }
    }
}

fn native_text(native: &NativeType) -> &'static str {
    match native {
        NativeType::Ascii => "ascii",
        NativeType::Boolean => "boolean",
        NativeType::Blob => "blob",
        NativeType::Counter => "counter",
        NativeType::Date => "date",
        NativeType::Decimal => "decimal",
        NativeType::Double => "double",
        NativeType::Duration => "duration",
        NativeType::Float => "float",
        NativeType::Int => "int",
        NativeType::BigInt => "bigint",
        NativeType::Text => "text",
        NativeType::Timestamp => "timestamp",
        NativeType::Inet => "inet",
        NativeType::SmallInt => "smallint",
        NativeType::TinyInt => "tinyint",
        NativeType::Time => "time",
        NativeType::Timeuuid => "timeuuid",
        NativeType::Uuid => "uuid",
        NativeType::Varint => "varint",
        // The driver's enum is open: no C++ type matches this name.
        _ => "unknown",
    }
}

/// As CQL writes the type, without frozen<>.
pub fn type_text(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Native(native) => native_text(native).to_owned(),
        ColumnType::Collection { typ, .. } => match typ {
            CollectionType::List(element) => format!("list<{}>", type_text(element)),
            CollectionType::Set(element) => format!("set<{}>", type_text(element)),
            CollectionType::Map(key, value) => {
                format!("map<{}, {}>", type_text(key), type_text(value))
            }
            _ => "unknown".to_owned(),
        },
        ColumnType::Vector { typ, dimensions } => {
            format!("vector<{}, {dimensions}>", type_text(typ))
        }
        ColumnType::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(type_text).collect();
            format!("tuple<{}>", parts.join(", "))
        }
        ColumnType::UserDefinedType { definition, .. } => {
            let mut all = format!("udt<{}.{}", definition.keyspace, definition.name);
            for (name, field) in &definition.field_types {
                let _ = write!(all, ", {name} {}", type_text(field));
            }
            all.push('>');
            all
        }
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn types_are_written_as_cql_writes_them() {
        let int = || ColumnType::Native(NativeType::Int);
        let list = |element| ColumnType::Collection {
            frozen: true,
            typ: CollectionType::List(Box::new(element)),
        };
        let map = ColumnType::Collection {
            frozen: false,
            typ: CollectionType::Map(
                Box::new(ColumnType::Native(NativeType::Text)),
                Box::new(list(int())),
            ),
        };
        assert_eq!(type_text(&map), "map<text, list<int>>");
        assert_eq!(
            type_text(&ColumnType::Tuple(vec![int(), list(int())])),
            "tuple<int, list<int>>"
        );
        let vector = ColumnType::Vector {
            typ: Box::new(int()),
            dimensions: 3,
        };
        assert_eq!(type_text(&vector), "vector<int, 3>");
    }
}
