//! Metrics: counted when a fact is recorded, before it can be dropped; rolled up by minute, hour and day; asked for as
//! series over time; and since start for those who measure from outside.

pub(crate) mod counting;
pub(crate) mod overview;
pub(crate) mod prometheus;
pub(crate) mod query;
pub(crate) mod range;
pub(crate) mod rollup;
pub(crate) mod rows;
pub(crate) mod sketch;
pub(crate) mod totals;
