# Writes OUTPUT, a C file with the texts of FILES (separated by commas) and their SHA-1, by which Redis knows them.
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(table "")
foreach(file ${files})
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" hex HEX)
  file(SHA1 "${file}" sha)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(REPLACE "'\\x0a'," "'\\x0a',\n" bytes "${bytes}") # a line of the file, a line of the array
  string(APPEND arrays "static const char ${name}[] = {${bytes}0};\n")
  string(APPEND table "    {${name}, \"${sha}\", sizeof ${name} - 1},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"broker/store/redis_store.h\"\n\n${arrays}\nconst struct script_source script_sources[SCRIPT_COUNT] = {\n${table}};\n")
