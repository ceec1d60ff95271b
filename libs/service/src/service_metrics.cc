#include "service_metrics.h"

#include <millrace/service/channel.h>

namespace millrace::service {

void declare_metrics(metrics::catalogue& into) { const service_metrics declared(into); }

}  // namespace millrace::service
