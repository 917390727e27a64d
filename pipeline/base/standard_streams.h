#pragma once
// Keeps the numbers 0, 1 and 2 for what they are named after.

namespace penstock {

// A process started with one of them closed (`penstock run >&-`) would give its number to the first file it opens, and what is
// meant for standard output would go into that file. Those that are closed are opened on nothing, such that reading
// standard input and writing standard output fail, and messages vanish. Call it first in main.
void keep_standard_streams();

}  // namespace penstock
