#include "trouble_log.h"

#include <algorithm>

namespace millrace::engine {

void trouble_log::note(std::string_view event, const error& failure) {
  const instant now = time_.now();
  auto known = std::find_if(kinds_.begin(), kinds_.end(),
                            [&](const kind& k) { return k.event == event && k.code == failure.code(); });
  if (known != kinds_.end() && now - known->said_at < quiet_for) {
    ++known->suppressed;
    return;
  }
  if (known == kinds_.end()) known = kinds_.insert(kinds_.end(), kind{event, failure.code(), now});
  write_("event=" + std::string(event) + " error=\"" + failure.to_string() +
         "\" suppressed=" + std::to_string(known->suppressed));
  known->said_at = now;
  known->suppressed = 0;
}

}  // namespace millrace::engine
