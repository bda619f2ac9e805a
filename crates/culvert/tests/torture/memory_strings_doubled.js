// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    let text = 'x';
    for (;;) {
      text += text;
      keep.push(text.slice(1) + 'y');
      keep.at(-1).charCodeAt(5);
    }
  },
};
