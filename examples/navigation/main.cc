#include "navigation_application.h"

int main(int argc, char** argv) { return millrace::app::main(argc, argv, navigation::application()); }
