// `millrace top`, `millrace lag` and `millrace tap` on the command line.
#pragma once

namespace CLI {
class App;
}

namespace millrace::observe {

// `code` becomes the exit code of the command that is run.
void add_to(CLI::App& program, int& code);

}  // namespace millrace::observe
