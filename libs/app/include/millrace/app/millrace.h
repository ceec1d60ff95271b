// The header that an application includes: everything needed to write processors and a main function.
//
// Example prelude:
//
//   struct page_view {
//     std::string_view visitor_id;
//   };
//
//   template <>
//   struct millrace::avro::describe<page_view> {
//     static type_descriptor type() {
//       return record_of<page_view>("page_view", {field("visitor_id", &page_view::visitor_id)});
//     }
//   };
//
// Example, at namespace scope:
//
//   class visits final : public millrace::processor<page_view> {
//    public:
//     millrace::task<millrace::outcome> process(millrace::record<page_view> view, millrace::context ctx) override {
//       co_await millrace::must(insert_(ctx, view->visitor_id));  // an error ends the attempt
//       co_return millrace::outcome::done();
//     }
//
//    private:
//     millrace::statement<void(std::string_view visitor_id)> insert_{"INSERT INTO visit (visitor_id) VALUES (?)"};
//   };
//
//   int main(int argc, char** argv) {
//     return millrace::main(argc, argv, {.name = "navigation", .processors = {millrace::make<visits>()}});
//   }
//
// Threads: each worker has its own instance of every processor; see engine/processor.h.
#pragma once

#include <millrace/app/application.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/decimal.h>
#include <millrace/config/spec.h>
#include <millrace/cql/lookup.h>
#include <millrace/cql/statement.h>
#include <millrace/engine/avro_value.h>
#include <millrace/engine/filter.h>
#include <millrace/engine/input.h>
#include <millrace/engine/output.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/record.h>
#include <millrace/runtime/task.h>
#include <millrace/service/blocking.h>
#include <millrace/service/http_client.h>
#include <millrace/statement/metric.h>
#include <millrace/stream/all.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>
#include <millrace/stream/emit.h>
#include <millrace/stream/log.h>
#include <millrace/stream/must.h>
#include <millrace/stream/outcome.h>

namespace millrace {

using app::application;
using app::main;
using app::settings_of;
using avro::symbol_of;
using cql::lookup;
using cql::row;
using cql::statement;
using engine::deletion;
using engine::input;
using engine::make;
using engine::output;
using engine::processor;
using engine::processor_set;
using engine::raw_record;
using engine::record;
using http_request = http::request;
using http_response = http::response;
using runtime::task;
using service::blocking;
using service::http_client;
using statements::counter;
using statements::gauge;
using statements::histogram;
using statements::miss_policy;
using statements::no_lookup;
using statements::size_histogram;
using statements::write_time;
using stream::all;
using stream::answer;
using stream::context;
using stream::emit_header;
using stream::emit_key;
using stream::emit_options;
using stream::emit_timestamp;
using stream::log_level;
using stream::must;
using stream::no_key;
using stream::outcome;
using stream::reaction;

}  // namespace millrace
