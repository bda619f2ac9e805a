// Expected: exception
export default {
  async fetch(request, env, ctx) {
    for (let i = 0; ; i++) await fetch('http://127.0.0.1:1/').catch((error) => {
      if (error.message.startsWith('Too many subrequests')) throw error;
    });
  },
};
