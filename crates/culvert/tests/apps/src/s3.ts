/** Clients of S3 that sign their requests: the AWS SDK and aws4fetch, against a server that checks each signature. */
import { CreateMultipartUploadCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DOMParser, Node } from "@xmldom/xmldom";
import { AwsClient } from "aws4fetch";

// The SDK reads XML with what browsers have, and Workers do not, neither here nor at Cloudflare.
Object.assign(globalThis, { DOMParser, Node });

interface Env {
  ENDPOINT: string;
  KEY: string;
  SECRET: string;
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const credentials = { accessKeyId: env.KEY, secretAccessKey: env.SECRET };
    if (url.pathname.startsWith("/aws4fetch/")) {
      const client = new AwsClient({ ...credentials, service: "s3", region: "auto" });
      const target = `${env.ENDPOINT}/bucket/${url.pathname.slice("/aws4fetch/".length)}`;
      const answer = await client.fetch(target, { method: request.method, body: request.method === "PUT" ? await request.arrayBuffer() : null });
      const signed = await client.sign(`${env.ENDPOINT}/bucket/a%20b?x=1&empty=`, { aws: { signQuery: true } });
      return new Response(answer.body, { status: answer.status, headers: { "x-presigned": String(signed.url.includes("X-Amz-Signature=")) } });
    }
    const client = new S3Client({ region: "auto", endpoint: env.ENDPOINT, forcePathStyle: true, credentials });
    const where = { Bucket: "bucket", Key: url.pathname.slice("/sdk/".length) };
    try {
      switch (`${request.method} ${url.search}`) {
        case "PUT ": {
          const { ETag } = await client.send(new PutObjectCommand({ ...where, Body: new Uint8Array(await request.arrayBuffer()), ContentType: "text/plain", Metadata: { from: "worker" } }));
          return Response.json({ ETag });
        }
        case "GET ": {
          const { Body, ContentType, Metadata } = await client.send(new GetObjectCommand(where));
          return new Response(Body!.transformToWebStream() as ReadableStream, { headers: { "content-type": ContentType!, "x-metadata": JSON.stringify(Metadata) } });
        }
        case "GET ?list": {
          const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: "bucket", Prefix: where.Key }));
          return Response.json(Contents?.map(({ Key, Size }) => ({ Key, Size })));
        }
        case "GET ?text":
          return new Response(await (await client.send(new GetObjectCommand(where))).Body!.transformToString());
        case "HEAD ":
          return new Response(null, { headers: { "x-length": String((await client.send(new HeadObjectCommand(where))).ContentLength) } });
        case "POST ":
          return Response.json({ id: (await client.send(new CreateMultipartUploadCommand(where))).UploadId });
        case "DELETE ":
          await client.send(new DeleteObjectCommand(where));
          return new Response(null, { status: 204 });
        default:
          return new Response("no such page", { status: 404 });
      }
    } catch (error) {
      const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
      return Response.json({ name, message, status: $metadata?.httpStatusCode }, { status: 502 });
    }
  },
} satisfies ExportedHandler<Env>;
