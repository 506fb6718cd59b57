-- The frame around all other files (cmake/embed.cmake puts them in). While Redis loads a library, Lua's own functions are
-- not there; so what is made once is made on the first call.
local verbs

local function make()
  verbs = {}
--@FILES@
end

-- Memory that is full stops what needs more of it; everything else makes room.
local NEEDS_MEMORY = { admit = true, load = true }
local names, i = { --@VERBS@ }, 1
while names[i] do
  local name = names[i]
  redis.register_function { function_name = LIBRARY .. '_' .. name, flags = NEEDS_MEMORY[name] and {} or { 'allow-oom' },
    callback = function(keys, argv)
      if not verbs then make() end
      return verbs[name](keys, argv)
    end }
  i = i + 1
end
