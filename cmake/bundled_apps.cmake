# Writes bundled_files.cc: every file of the apps under ROOT as a part of the program, by its path. The assembler puts each in
# as it is, as it does the rules for user agents.
#
#   bundled_apps(OUT ${PROJECT_SOURCE_DIR}/plugins)         → the path of the generated source

function(bundled_apps OUT ROOT)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${ROOT} ${ROOT}/*/*.lua ${ROOT}/*/*.yaml ${ROOT}/*/README.md)
  list(SORT files)
  set(contents "")
  set(declarations "")
  set(entries "")
  set(depends "")
  set(number 0)
  foreach(file IN LISTS files)
    set(symbol penstock_bundled_file_${number})
    string(APPEND contents "    \"${symbol}:\\n\"\n    \".incbin \\\"${ROOT}/${file}\\\"\\n\"\n    \"${symbol}_end:\\n\"\n"
                           "    \".byte 0\\n\"\n")
    string(APPEND declarations "extern \"C\" const char ${symbol}[];\nextern \"C\" const char ${symbol}_end[];\n")
    string(APPEND entries "      {\"${file}\", {${symbol}, ${symbol}_end}},\n")
    list(APPEND depends ${ROOT}/${file})
    math(EXPR number "${number} + 1")
  endforeach()
  set(source ${CMAKE_BINARY_DIR}/generated/bundled_files.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT
"// Generated from the files under plugins/; do not edit.
#include \"pipeline/scripting/package/bundled_files.h\"

asm(\".pushsection .rodata\\n\"
@contents@    \".popsection\\n\");

@declarations@
namespace penstock::scripting {

std::span<const BundledFile> bundled_files() {
  static const BundledFile kFiles[] = {
@entries@  };
  return kFiles;
}

}  // namespace penstock::scripting
" @ONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${depends}")
  set(${OUT} ${source} PARENT_SCOPE)
endfunction()
