// What an application includes: everything needed to write processors and a main function.
//
//   class visits final : public millrace::processor<tracking::Navigation> { ... };
//   int main(int argc, char** argv) {
//     return millrace::main(argc, argv, {.name = "navigation", .processors =
//     {millrace::make<visits>("visits")}});
//   }
#pragma once

#include <millrace/app/application.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/cql/lookup.h>
#include <millrace/cql/statement.h>
#include <millrace/engine/avro_value.h>
#include <millrace/engine/output.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/record.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/context.h>
#include <millrace/stream/outcome.h>

namespace millrace {

using app::application;
using app::main;
using avro::symbol_of;
using cql::lookup;
using cql::row;
using cql::statement;
using engine::make;
using engine::output;
using engine::processor;
using engine::record;
using runtime::task;
using statements::miss_policy;
using statements::no_lookup;
using statements::write_time;
using stream::context;
using stream::outcome;

}  // namespace millrace
