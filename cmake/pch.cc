// What CMake needs to make a precompiled header of: see MeshAuthPch.cmake.
