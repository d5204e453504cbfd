// The same checks in njs: the key is imported for each request, since WebCrypto's keys cannot be kept between them.
function bytes(text) {
    return Buffer.from(text, 'base64url');
}

async function check(r) {
    const token = (r.headersIn.Authorization || '').slice(7).split('.');
    const header = JSON.parse(bytes(token[0])), claims = JSON.parse(bytes(token[1]));
    const der = Buffer.from(r.variables.key_pem, 'base64');
    const kind = {name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256'};
    const key = await crypto.subtle.importKey('spki', der, kind, false, ['verify']);
    const good = header.alg === 'RS256' && claims.exp > Date.now() / 1000 && claims.iss === 'https://idp.test' &&
        claims.aud === 'api://orders' &&
        await crypto.subtle.verify(kind, key, bytes(token[2]), token[0] + '.' + token[1]);
    r.return(!good ? 401 : claims.scope.split(' ').includes('orders:read') ? 204 : 403);
}

export default {check};
