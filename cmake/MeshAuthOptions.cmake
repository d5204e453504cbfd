# Compiler options that every room shares, the sanitizers, and ccache.
option(MESH_AUTH_ASAN "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(MESH_AUTH_TSAN "ThreadSanitizer" OFF)
option(MESH_AUTH_FUZZ "libFuzzer targets (clang)" OFF)
if(MESH_AUTH_FUZZ)
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON) # some rooms are compiled for the fuzzer, and clang takes no header made without
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are only cached with these; see ccache's manual, "Precompiled headers".
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_NOHASHDIR=1
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

add_library(mesh_auth_options INTERFACE)
target_include_directories(mesh_auth_options INTERFACE ${CMAKE_SOURCE_DIR})
# Under the sanitizers GCC 12 warns of what is all right in a plain build, where every warning is an error.
target_compile_options(mesh_auth_options INTERFACE -Wall -Wextra -Wno-error=deprecated-declarations
    $<$<NOT:$<OR:$<BOOL:${MESH_AUTH_ASAN}>,$<BOOL:${MESH_AUTH_TSAN}>>>:-Werror>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
# GCC's garbage collector goes over the whole precompiled header each time: a tenth of the build. Without it a compiler
# takes up to 1 GB.
target_compile_options(mesh_auth_options INTERFACE
    "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:SHELL:--param ggc-min-heapsize=1000000>")
# When it optimizes, GCC 12 warns of moved std::strings that are all right (GCC bug 105651 and its kin). The sanitizers look
# at the same accesses in every test run.
target_compile_options(mesh_auth_options INTERFACE
    "$<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>,$<NOT:$<CONFIG:Debug>>>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overread;-Wno-stringop-overflow;-Wno-mismatched-new-delete>")
# OpenSSL 3: a deprecated call does not compile. cpprest's macro U breaks fmt.
target_compile_definitions(mesh_auth_options INTERFACE
    OPENSSL_API_COMPAT=30000 OPENSSL_NO_DEPRECATED _TURN_OFF_PLATFORM_STRING
    MESH_AUTH_VERSION="${PROJECT_VERSION}")
if(MESH_AUTH_ASAN)
  # simdjson 3.0 copies no bytes from a null pointer; nothing else is let off.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=nonnull-attribute -fno-sanitize-recover=undefined
      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(MESH_AUTH_TSAN)
  # ThreadSanitizer knows no fences, and Asio's are not needed beside its locks.
  add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()

find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
