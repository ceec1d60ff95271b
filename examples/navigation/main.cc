#include "navigation_application.h"

int main(int argc, char** argv) { return millrace::engine::main(argc, argv, navigation::application()); }
