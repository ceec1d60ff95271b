// The navigation application (libs/workload) as a program of its own.
#include <millrace/workload/navigation.h>

int main(int argc, char** argv) {
  return millrace::app::main(argc, argv, millrace::workload::navigation_application());
}
