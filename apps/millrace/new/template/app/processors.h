// The processors of orders.
#pragma once

#include <cstdint>
#include <string_view>

#include <event.avsc.h>

#include <millrace/app/millrace.h>

namespace orders {

// Writes each event to the table `event`. An amount of 0 is skipped; a negative amount goes to the
// dead-letter topic. The row carries the write time of its record, so that a record that is processed again
// writes the same cells.
class event_writer final : public millrace::processor<Event> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<Event> event, millrace::context ctx) override;

 private:
  millrace::statement<void(std::string_view account, millrace::timestamp at, std::string_view id,
                           std::int64_t amount)>
      insert_event_{"INSERT INTO event (account, at, id, amount) VALUES (?, ?, ?, ?)",
                    {.written = millrace::write_time::record}};
};

// The application: its name and its processors. The program runs it, and so do the tests.
[[nodiscard]] millrace::application application();

}  // namespace orders
