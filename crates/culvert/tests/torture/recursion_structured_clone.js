// Expected: exception
export default {
  fetch(request, env, ctx) {
    let deep = [];
    for (let i = 0; i < 1e5; i++) deep = { deep };
    const clone = structuredClone(deep);
    let depth = 0;
    for (let at = clone; at !== undefined; at = at.deep) depth++;
    throw new Error(`cloned ${depth} deep`);
  },
};
