#include "pipeline/scripting/library/user_agent_rules.h"

// The assembler puts the file into the program as it is; CMake says which file, and that this depends on it.
asm(".pushsection .rodata\n"
    "penstock_user_agent_rules:\n"
    ".incbin \"" PENSTOCK_USER_AGENT_RULES
    "\"\n"
    "penstock_user_agent_rules_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" const char penstock_user_agent_rules[];
extern "C" const char penstock_user_agent_rules_end[];

namespace penstock::scripting {

std::string_view user_agent_rules() { return {penstock_user_agent_rules, penstock_user_agent_rules_end}; }

}  // namespace penstock::scripting
