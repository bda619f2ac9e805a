// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    let text = '';
    for (let i = 0; ; i++) {
      text += `piece ${i}`;
      keep.push(text);
    }
  },
};
