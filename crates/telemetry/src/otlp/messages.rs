//! The messages of OTLP 1, as far as they are used: the field numbers are those of `opentelemetry-proto`'s files, which are stable.
//! What is not listed is never written, and skipped when it is read.

use prost::{Enumeration, Message, Oneof};

/// A value of any kind.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    /// The value.
    #[prost(oneof = "Value", tags = "1, 2, 3, 4")]
    pub value: Option<Value>,
}

/// The kinds of values that are used.
#[derive(Clone, PartialEq, Oneof)]
pub enum Value {
    /// Text.
    #[prost(string, tag = "1")]
    String(String),
    /// Yes or no.
    #[prost(bool, tag = "2")]
    Bool(bool),
    /// A whole number.
    #[prost(int64, tag = "3")]
    Int(i64),
    /// A number.
    #[prost(double, tag = "4")]
    Double(f64),
}

/// An attribute.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// Who made the spans, records or metrics.
#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// Who sends.
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// What is known of it.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// `POST /v1/traces`
#[derive(Clone, PartialEq, Message)]
pub struct TracesRequest {
    /// Spans by who sends them.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// Spans of one sender.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    /// The sender.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// Spans by who made them.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

/// Spans of one maker.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    /// The maker.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The spans.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
}

/// Something that took its time.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// 8 bytes, or none for the first span of a trace.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    /// What it is.
    #[prost(string, tag = "5")]
    pub name: String,
    /// Its part in a call.
    #[prost(enumeration = "SpanKind", tag = "6")]
    pub kind: i32,
    /// When it began, in nanoseconds since 1970.
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    /// When it ended.
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    /// What is known of it.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// What happened meanwhile.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<Event>,
    /// How it ended.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
    /// W3C trace flags.
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
}

/// A span's part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum SpanKind {
    /// Not said.
    Unspecified = 0,
    /// Work inside.
    Internal = 1,
    /// Answers a request.
    Server = 2,
    /// Makes one.
    Client = 3,
}

/// Something that happened during a span.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    #[prost(fixed64, tag = "1")]
    pub time_unix_nano: u64,
    /// What.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What is known of it.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
}

/// How a span ended.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// Why, in words.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Well or badly.
    #[prost(enumeration = "StatusCode", tag = "3")]
    pub code: i32,
}

/// Well or badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum StatusCode {
    /// Not said.
    Unset = 0,
    /// Well.
    Ok = 1,
    /// Badly.
    Error = 2,
}

/// `POST /v1/logs`
#[derive(Clone, PartialEq, Message)]
pub struct LogsRequest {
    /// Records by who sends them.
    #[prost(message, repeated, tag = "1")]
    pub resource_logs: Vec<ResourceLogs>,
}

/// Records of one sender.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceLogs {
    /// The sender.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// Records by who made them.
    #[prost(message, repeated, tag = "2")]
    pub scope_logs: Vec<ScopeLogs>,
}

/// Records of one maker.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeLogs {
    /// The maker.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The records.
    #[prost(message, repeated, tag = "2")]
    pub log_records: Vec<LogRecord>,
}

/// Something that was said.
#[derive(Clone, PartialEq, Message)]
pub struct LogRecord {
    /// When, in nanoseconds since 1970.
    #[prost(fixed64, tag = "1")]
    pub time_unix_nano: u64,
    /// How grave it is.
    #[prost(enumeration = "Severity", tag = "2")]
    pub severity_number: i32,
    /// The same as a word.
    #[prost(string, tag = "3")]
    pub severity_text: String,
    /// What was said.
    #[prost(message, optional, tag = "5")]
    pub body: Option<AnyValue>,
    /// What is known of it.
    #[prost(message, repeated, tag = "6")]
    pub attributes: Vec<KeyValue>,
    /// W3C trace flags.
    #[prost(fixed32, tag = "8")]
    pub flags: u32,
    /// 16 bytes, or none.
    #[prost(bytes = "vec", tag = "9")]
    pub trace_id: Vec<u8>,
    /// 8 bytes, or none.
    #[prost(bytes = "vec", tag = "10")]
    pub span_id: Vec<u8>,
    /// When it was noticed.
    #[prost(fixed64, tag = "11")]
    pub observed_time_unix_nano: u64,
}

/// How grave a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Severity {
    /// Not said.
    Unspecified = 0,
    /// For those who look for a fault.
    Debug = 5,
    /// News.
    Info = 9,
    /// May become a fault.
    Warn = 13,
    /// A fault.
    Error = 17,
}

/// `POST /v1/metrics`
#[derive(Clone, PartialEq, Message)]
pub struct MetricsRequest {
    /// Metrics by who sends them.
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

/// Metrics of one sender.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceMetrics {
    /// The sender.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// Metrics by who made them.
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
}

/// Metrics of one maker.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeMetrics {
    /// The maker.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
}

/// Numbers of one name.
#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it counts.
    #[prost(string, tag = "2")]
    pub description: String,
    /// Its unit, by UCUM.
    #[prost(string, tag = "3")]
    pub unit: String,
    /// The numbers.
    #[prost(oneof = "Data", tags = "7, 9")]
    pub data: Option<Data>,
}

/// Numbers of one kind.
#[derive(Clone, PartialEq, Oneof)]
pub enum Data {
    /// Counts.
    #[prost(message, tag = "7")]
    Sum(Sum),
    /// How often what was how large.
    #[prost(message, tag = "9")]
    Histogram(Histogram),
}

/// Counts.
#[derive(Clone, PartialEq, Message)]
pub struct Sum {
    /// One for each set of attributes.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
    /// Since when they count.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub aggregation_temporality: i32,
    /// They never fall.
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

/// Since when numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Temporality {
    /// Not said.
    Unspecified = 0,
    /// Since the message before.
    Delta = 1,
    /// Since the start.
    Cumulative = 2,
}

/// One count.
#[derive(Clone, PartialEq, Message)]
pub struct NumberDataPoint {
    /// Since when, in nanoseconds since 1970.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// Until when.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The count.
    #[prost(oneof = "Number", tags = "6")]
    pub value: Option<Number>,
    /// What of.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
}

/// A number.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum Number {
    /// A whole one.
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

/// How often what was how large.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    /// One for each set of attributes.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<HistogramDataPoint>,
    /// Since when they count.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub aggregation_temporality: i32,
}

/// One histogram.
#[derive(Clone, PartialEq, Message)]
pub struct HistogramDataPoint {
    /// Since when, in nanoseconds since 1970.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// Until when.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// How many values.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// All of them together.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// How many up to each bound, and above the last.
    #[prost(fixed64, repeated, tag = "6")]
    pub bucket_counts: Vec<u64>,
    /// The upper bounds.
    #[prost(double, repeated, tag = "7")]
    pub explicit_bounds: Vec<f64>,
    /// What of.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
}
