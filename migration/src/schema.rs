//! The words a schema is described in: tables, columns, keys. The description itself is [`crate::schema`].

/// Every table of ours, parents before their children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// In an order in which they can be created; dropped in the reverse.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, the same on every engine.
    pub name: &'static str,
    /// In the order they are declared.
    pub columns: Vec<Column>,
    /// The one column of the primary key.
    pub primary_key: &'static str,
    /// Unique constraints, each a list of columns.
    pub unique: Vec<Vec<&'static str>>,
    /// Plain indexes.
    pub indexes: Vec<Index>,
    /// References to the `id` of other tables.
    pub foreign_keys: Vec<ForeignKey>,
}

/// A plain index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// What rows are found by.
    pub columns: Vec<&'static str>,
    /// Which rows are in it: a condition of one column that all engines spell alike. All of them where there is none, and on
    /// MySQL, which has no other indexes.
    pub only: Option<&'static str>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, the same on every engine.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// What a row gets that does not name the column.
    pub default: Option<Value>,
}

/// What a column holds; each engine spells it in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit number given by the database and never given again.
    Id,
    /// The id of a row elsewhere (i64).
    Ref,
    /// i32.
    Integer,
    /// i64.
    BigInt,
    /// Text of at most so many characters.
    VarChar(u16),
    /// bool.
    Boolean,
    /// A point in time, UTC, with at least microseconds.
    DateTime,
    /// A calendar day.
    Date,
    /// f64.
    Double,
    /// Any JSON value.
    Json,
    /// Bytes.
    Blob,
}

/// The default of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A word.
    Text(&'static str),
    /// The time of the insert.
    Now,
}

/// A column that holds the `id` of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The column that refers.
    pub column: &'static str,
    /// The table referred to, by its `id`.
    pub table: &'static str,
    /// What happens to the row when the one it refers to goes.
    pub on_delete: OnDelete,
}

/// What happens to a row when the one it refers to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// It goes too.
    Cascade,
    /// Its reference becomes NULL.
    SetNull,
    /// The deletion is refused.
    NoAction,
}

impl OnDelete {
    /// The words of SQL, alike on every engine.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::NoAction => "NO ACTION",
        }
    }
}

impl Table {
    /// A table whose primary key is its first column.
    pub(crate) fn new(name: &'static str, columns: Vec<Column>) -> Self {
        let primary_key = columns.first().map_or("id", |column| column.name);
        Self {
            name,
            columns,
            primary_key,
            unique: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        }
    }

    pub(crate) fn unique(mut self, columns: &[&'static str]) -> Self {
        self.unique.push(columns.to_vec());
        self
    }

    pub(crate) fn index(mut self, columns: &[&'static str]) -> Self {
        self.indexes.push(Index {
            columns: columns.to_vec(),
            only: None,
        });
        self
    }

    /// An index that has the rows of `condition` alone.
    pub(crate) fn index_only(mut self, condition: &'static str, columns: &[&'static str]) -> Self {
        self.indexes.push(Index {
            columns: columns.to_vec(),
            only: Some(condition),
        });
        self
    }

    /// Rows go with the row of `table` that `column` names.
    pub(crate) fn belongs_to(mut self, column: &'static str, table: &'static str) -> Self {
        self.foreign_keys.push(ForeignKey {
            column,
            table,
            on_delete: OnDelete::Cascade,
        });
        self
    }
}

impl Column {
    pub(crate) fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            nullable: true,
            default: None,
        }
    }

    pub(crate) fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    pub(crate) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}
